import type { BinStore } from "./bin-store";
import type { Trade } from "./protocol";
import type { Milliseconds, Price, Seq, Ticks } from "./units";

/** The side that took the liquidity: who takes from the asks buys. */
export type Taker = "buyer" | "seller";

export function takerOf({ side }: Trade): Taker {
  return side === "A" ? "buyer" : "seller";
}

/** What was executed at each price between two ticks, by who took it. */
export interface VolumeByPrice {
  readonly lowest: Ticks;
  /** A number for each tick from `lowest` on. */
  readonly bought: Float64Array;
  readonly sold: Float64Array;
  /** The largest sum of both at a price, and the tick of it; 0 and null where nothing was executed. */
  readonly most: number;
  readonly mostAt: Ticks | null;
  readonly total: number;
}

/** Return the volume by price of some bins, between two whole ticks. */
export function volumeByPrice(store: BinStore, from: Seq, to: Seq, lowest: Ticks, highest: Ticks): VolumeByPrice {
  const count = Math.max(0, highest - lowest + 1);
  const [bought, sold] = [new Float64Array(count), new Float64Array(count)];
  for (let seq = from; seq <= to; seq++) {
    const slot = store.slot(seq);
    if (slot < 0) continue;
    for (const trade of store.trades(slot)) {
      const index = Math.round(store.ticks(trade.price)) - lowest;
      if (index < 0 || index >= count) continue;
      const side = trade.side === "A" ? bought : sold;
      side[index] = (side[index] as number) + trade.quantity;
    }
  }
  let [most, mostAt, total] = [0, null as Ticks | null, 0];
  for (let index = 0; index < count; index++) {
    const sum = (bought[index] as number) + (sold[index] as number);
    total += sum;
    if (sum <= most) continue;
    most = sum;
    mostAt = lowest + index;
  }
  return { lowest, bought, sold, most, mostAt, total };
}

/** The lowest and the highest cumulative volume delta of some bins; null where none of them is here. */
export function deltaRange(store: BinStore, from: Seq, to: Seq): readonly [number, number] | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let seq = from; seq <= to; seq++) {
    const slot = store.slot(seq);
    if (slot < 0) continue;
    const value = store.cumulativeDelta[slot] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** An execution, as a tape prints it; those of one bin, price and side are one. */
export interface Print {
  readonly seq: Seq;
  readonly timeMs: Milliseconds;
  readonly price: Price;
  readonly quantity: number;
  readonly taker: Taker;
}

const LONGEST_LOOK = 20_000;

/** Return the last executions up to a bin, the newest first. */
export function latestPrints(store: BinStore, head: Seq, count: number): Print[] {
  const prints: Print[] = [];
  const oldest = Math.max(store.first ?? head, head - LONGEST_LOOK);
  for (let seq = head; seq >= oldest && prints.length < count; seq--) {
    const slot = store.slot(seq);
    if (slot < 0) continue;
    const timeMs = store.startMs[slot] as number;
    for (const trade of store.trades(slot).toReversed()) {
      prints.push({ seq, timeMs, price: trade.price, quantity: trade.quantity, taker: takerOf(trade) });
    }
  }
  return prints.slice(0, count);
}

/** Return what rests at the best bid and the best ask of a bin; null where its cells do not say. */
export function bestSizes(store: BinStore, slot: number): { readonly bid: number | null; readonly ask: number | null } {
  const at = (column: string, prices: Float64Array): number | null => {
    const price = prices[slot];
    if (price === undefined || !Number.isFinite(price)) return null;
    return store.value(column, slot, Math.round(store.ticks(price))) ?? null;
  };
  return { bid: at("bid_depth", store.bestBid), ask: at("ask_depth", store.bestAsk) };
}
