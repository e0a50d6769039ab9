import type { BinStore } from "./bin-store";
import { niceStep } from "./scales";
import type { Seq } from "./units";

/** Scores beyond so many thresholds are cut off: what decides lies between them, and must not be pressed flat. */
export const MOST_THRESHOLDS = 3;
const FEWEST_THRESHOLDS = 1.3;

/**
 * Return the value at the upper edge of the score's pane, its negative being at the lower one: room for the largest score
 * of some bins, for 1.3 thresholds at least and for 3 at most.
 */
export function scoreLimitOf(store: BinStore, from: Seq, to: Seq, threshold: number | null): number {
  let most = (threshold ?? 0) * FEWEST_THRESHOLDS;
  for (let seq = from; seq <= to; seq++) {
    const slot = store.slot(seq);
    const size = slot < 0 ? 0 : Math.abs(store.score[slot] as number);
    if (size > most) most = size;
  }
  if (!(most > 0)) return 1;
  const limit = Math.ceil((most * 1.06) / niceStep(most / 10)) * niceStep(most / 10);
  return threshold === null || !(threshold > 0) ? limit : Math.min(limit, threshold * MOST_THRESHOLDS);
}

/** Consecutive bins whose score lies beyond the limit, and on which side. */
export interface Clip {
  readonly from: Seq;
  readonly to: Seq;
  readonly side: 1 | -1;
}

/** Return where scores of some bins are cut off at a limit. */
export function clipsOf(store: BinStore, from: Seq, to: Seq, limit: number): Clip[] {
  const clips: Clip[] = [];
  for (let seq = from; seq <= to; seq++) {
    const slot = store.slot(seq);
    const score = slot < 0 ? 0 : (store.score[slot] as number);
    if (!(Math.abs(score) > limit)) continue;
    const side = score > 0 ? 1 : -1;
    const last = clips.at(-1);
    if (last !== undefined && last.to === seq - 1 && last.side === side) clips[clips.length - 1] = { ...last, to: seq };
    else clips.push({ from: seq, to: seq, side });
  }
  return clips;
}
