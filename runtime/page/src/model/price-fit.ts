import type { BinStore } from "./bin-store";
import { clamp, type Seq, type Ticks } from "./units";
import { LIMITS, type View } from "./view";

const FEWEST = 40;
/** Quotes fill at most this share of the height; what rests around them is what the rest is for. */
const QUOTED_SHARE = 0.6;
/** Quotes may come this near to an edge, as a share of the height, before the window moves. */
const MARGIN_SHARE = 0.12;
/** A window is made narrower only where a good deal is gained: prices that breathe must not move it. */
const SHRINK_BELOW = 0.6;
const GROWTH = 1.25;

/** Return the lowest and the highest quote of some bins, in ticks; null where there is none. */
export function quotedRange(store: BinStore, from: Seq, to: Seq): readonly [Ticks, Ticks] | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let seq = from; seq <= to; seq++) {
    const slot = store.slot(seq);
    if (slot < 0 || store.bookValid[slot] === 0) continue;
    const [bid, ask] = [store.bestBid[slot] as number, store.bestAsk[slot] as number];
    if (bid < low) low = bid;
    if (ask > high) high = ask;
  }
  return low <= high ? [store.ticks(low), store.ticks(high)] : null;
}

/** Return a view whose prices hold those that were quoted, with room around them; the same one where it does already. */
export function fitPrice(view: View, [low, high]: readonly [Ticks, Ticks]): View {
  const wanted = clamp((high - low) / QUOTED_SHARE, FEWEST, LIMITS.mostTicks);
  const isRightSize = view.ticks >= wanted && stepOf(wanted) >= view.ticks * SHRINK_BELOW;
  const ticks = isRightSize ? view.ticks : stepOf(wanted);
  const reach = ticks * (0.5 - MARGIN_SHARE);
  const isInside = low >= view.centre - reach && high <= view.centre + reach;
  if (ticks === view.ticks && isInside) return view;
  return { ...view, ticks, centre: Math.round((low + high) / 2) };
}

/** Return the least of a few numbers of ticks that is enough. */
function stepOf(wanted: Ticks): Ticks {
  const steps = Math.ceil(Math.log(wanted / FEWEST) / Math.log(GROWTH) - 1e-9);
  return Math.min(Math.round(FEWEST * GROWTH ** Math.max(0, steps)), LIMITS.mostTicks);
}
