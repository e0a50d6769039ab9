import type { BinStore } from "./bin-store";
import type { ProjectionScores, ProjectionShape } from "./protocol";
import type { Seq, Ticks } from "./units";

/** One horizon of a projection: where the mid is expected, in absolute ticks. */
export interface FanPoint {
  readonly seq: Seq;
  readonly median: Ticks;
  /** Pairs of outer quantiles, the widest first. */
  readonly bands: readonly (readonly [Ticks, Ticks])[];
}

/**
 * Return what was projected at a bin, beginning at the bin itself, where all quantiles are its mid; [] where nothing
 * was. The bands are the outermost pair of quantiles, the next one, and so on; the median is the middle quantile.
 */
export function fanOf(store: BinStore, seq: Seq): FanPoint[] {
  const shape = store.projectionShape;
  const slot = store.slot(seq);
  if (shape === null || slot < 0) return [];
  const mid = store.midTicks(slot);
  const quantiles = shape.quantiles.length;
  const pairs = Math.floor(quantiles / 2);
  const start = slot * shape.horizons_bins.length * quantiles;
  const points = shape.horizons_bins.map((horizon, row) => {
    const at = (i: number) => mid + (store.projection[start + row * quantiles + i] as number);
    const bands = Array.from({ length: pairs }, (_, i) => [at(i), at(quantiles - 1 - i)] as const);
    return { seq: seq + horizon, median: quantiles % 2 === 1 ? at(pairs) : (at(pairs - 1) + at(pairs)) / 2, bands };
  });
  if (points.some((point) => !Number.isFinite(point.median))) return [];
  return [{ seq, median: mid, bands: Array.from({ length: pairs }, () => [mid, mid] as const) }, ...points];
}

/**
 * Return the bins whose projections are drawn behind: so far apart that one ends where the next begins, counted from
 * bin 0, so that they do not wander while time goes on.
 */
export function pastFans(shape: ProjectionShape, from: Seq, to: Seq, leastDistance: number): Seq[] {
  const longest = shape.horizons_bins.at(-1) ?? 1;
  const step = longest * Math.max(1, Math.ceil(leastDistance / longest));
  const seqs: Seq[] = [];
  for (let seq = Math.ceil((from - longest) / step) * step; seq < to; seq += step) seqs.push(seq);
  return seqs;
}

export interface CoverageRow {
  readonly horizonBins: number;
  readonly count: number | null;
  readonly half: number | null;
  readonly most: number | null;
  readonly pinball: number | null;
  /** What may be claimed of either band at any time; "" where nothing is said. */
  readonly halfSays: string;
  readonly mostSays: string;
}

/** Return how often the mid fell into the inner (50 %) and the outer band (90 %), a row a horizon. */
export function coverageRows(shape: ProjectionShape, scores: ProjectionScores): CoverageRow[] {
  return shape.horizons_bins.map((horizonBins, i) => ({
    horizonBins,
    count: scores.n[i] ?? null,
    half: scores.coverage_50[i] ?? null,
    most: scores.coverage_90[i] ?? null,
    pinball: scores.pinball[i] ?? null,
    halfSays: scores.coverage_50_says[i] ?? "",
    mostSays: scores.coverage_90_says[i] ?? "",
  }));
}
