import { clamp, type Pixels, type Seq, type Ticks } from "./units";

/** What is on screen: the bins left of `right`, and the ticks around `centre`. */
export interface View {
  /** The bin at the right edge, with fractions: beyond the newest bin where there is room for what is ahead. */
  readonly right: Seq;
  /** Bins between the edges. */
  readonly bins: number;
  readonly centre: Ticks;
  /** Ticks between top and bottom. */
  readonly ticks: number;
  readonly followsTime: boolean;
  readonly followsPrice: boolean;
}

export const LIMITS = { fewestBins: 20, mostBins: 40_000, fewestTicks: 8, mostTicks: 600 } as const;
/** The spot may move in the middle part of the map before the window follows. */
const STILL_SHARE = 0.2;
/** Room right of now beside that for the projection, as a share of the bins. */
const MARGIN_SHARE = 0.02;

export function startView(bins: number, ticks: number): View {
  return {
    right: 0,
    bins: clamp(bins, LIMITS.fewestBins, LIMITS.mostBins),
    centre: 0,
    ticks: clamp(ticks, LIMITS.fewestTicks, LIMITS.mostTicks),
    followsTime: true,
    followsPrice: true,
  };
}

/**
 * Bring the newest shown bin (`head`) and its spot into view, as far as the view follows them.
 *
 * Where several bins share a pixel the edge moves by whole pixels: a pixel then always holds the same bins, so that
 * nothing shimmers, and most bins change the last pixels alone.
 */
export function follow(view: View, head: Seq, spot: Ticks | null, binsAhead: number, width: Pixels): View {
  const grain = Math.max(1, view.bins / width);
  const edge = head + 1 + ahead(view, binsAhead);
  const right = view.followsTime ? Math.ceil(edge / grain) * grain : view.right;
  const centre = view.followsPrice && spot !== null ? followed(view, spot) : view.centre;
  return right === view.right && centre === view.centre ? view : { ...view, right, centre };
}

function ahead(view: View, binsAhead: number): number {
  // A projection far ahead must not take the picture: it gets a quarter at most.
  return Math.min(binsAhead, view.bins / 4) + Math.ceil(view.bins * MARGIN_SHARE);
}

function followed(view: View, spot: Ticks): Ticks {
  const slack = view.ticks * STILL_SHARE;
  // A jump out of sight is followed by centring anew, anything else by as little as keeps the spot in the middle part.
  if (Math.abs(spot - view.centre) > view.ticks / 2) return spot;
  return clamp(view.centre, spot - slack, spot + slack);
}

/** Zoom in time (factor > 1: nearer) around a bin, which stays where it is unless the view follows. */
export function zoomTime(view: View, factor: number, anchor: Seq): View {
  const bins = clamp(view.bins / factor, LIMITS.fewestBins, LIMITS.mostBins);
  return { ...view, bins, right: anchor + ((view.right - anchor) * bins) / view.bins };
}

/** Zoom in price around a tick, which stays where it is. */
export function zoomPrice(view: View, factor: number, anchor: Ticks): View {
  const ticks = clamp(view.ticks / factor, LIMITS.fewestTicks, LIMITS.mostTicks);
  return { ...view, ticks, centre: anchor + ((view.centre - anchor) * ticks) / view.ticks };
}

/** Move the window; each direction that is moved is no longer followed. */
export function pan(view: View, bins: number, ticks: number): View {
  return {
    ...view,
    right: view.right + bins,
    centre: view.centre + ticks,
    followsTime: view.followsTime && bins === 0,
    followsPrice: view.followsPrice && ticks === 0,
  };
}

/** Keep the window within what there is, so that nobody gets lost. */
export function within(view: View, first: Seq, last: Seq, binsAhead: number): View {
  const right = clamp(view.right, first + view.bins * 0.1, last + 1 + ahead(view, binsAhead));
  return right === view.right ? view : { ...view, right };
}

export function backToLive(view: View): View {
  return { ...view, followsTime: true, followsPrice: true };
}
