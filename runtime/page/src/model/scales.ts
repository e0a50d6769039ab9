import type { Pixels, Seq, Ticks } from "./units";
import type { View } from "./view";

export interface Rect {
  readonly x: Pixels;
  readonly y: Pixels;
  readonly width: Pixels;
  readonly height: Pixels;
}

/** The x of the left edge of a bin. */
export function xOf(seq: Seq, view: View, rect: Rect): Pixels {
  return rect.x + (1 - (view.right - seq) / view.bins) * rect.width;
}

export function seqAtX(x: Pixels, view: View, rect: Rect): Seq {
  return view.right - (1 - (x - rect.x) / rect.width) * view.bins;
}

/** The y of a price in ticks: the middle of the row of a whole tick, which reaches half a tick to either side. */
export function yOf(ticks: Ticks, view: View, rect: Rect): Pixels {
  return rect.y + (0.5 + (view.centre - ticks) / view.ticks) * rect.height;
}

export function ticksAtY(y: Pixels, view: View, rect: Rect): Ticks {
  return view.centre + (0.5 - (y - rect.y) / rect.height) * view.ticks;
}

export function contains(rect: Rect, x: Pixels, y: Pixels): boolean {
  return x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
}

/** Return the least of 1, 2, 5, 10, 20, 50, ... that is at least `least`. */
export function niceStep(least: number): number {
  const unit = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((digit) => digit * unit >= least * (1 - 1e-12)) ?? 10) * unit;
}

/** Return the whole ticks that get a label, so that labels lie at least `distance` pixels apart. */
export function priceMarks(view: View, rect: Rect, tickSize: number, distance: Pixels): Ticks[] {
  const leastTicks = (distance / rect.height) * view.ticks;
  // Prices that people name: steps of 1, 2 or 5 in price units where they are whole ticks, in ticks elsewhere.
  const inPrice = niceStep(Math.max(leastTicks, 1) * tickSize) / tickSize;
  const isWhole = Math.abs(inPrice - Math.round(inPrice)) < 1e-9;
  const step = Math.max(1, Math.round(isWhole ? inPrice : niceStep(Math.max(leastTicks, 1))));
  const top = view.centre + view.ticks / 2;
  const marks: Ticks[] = [];
  for (let tick = Math.ceil((view.centre - view.ticks / 2) / step) * step; tick <= top; tick += step) marks.push(tick);
  return marks;
}

/** Return round values between -limit and limit, 0 among them, at most `count` on either side. */
export function valueMarks(limit: number, count: number): number[] {
  const step = niceStep(limit / count);
  const marks: number[] = [];
  for (let i = -Math.floor(limit / step); i <= limit / step; i++) marks.push(i * step);
  return marks;
}
