import { COMPARED, type ComparedFigure, type LiveFigures } from "./figures";
import type { Figures } from "./protocol";

/** A figure as promised and as it came, with their 95 % intervals. */
export interface Comparison {
  readonly label: string;
  readonly unit: ComparedFigure["unit"];
  /** Whether it is about resting orders: shown where there are such. */
  readonly ofOrders: boolean;
  readonly promised: Estimate | null;
  readonly live: Estimate | null;
  /** Whether what came excludes what was promised. */
  readonly drift: "below" | "above" | null;
}

export interface Estimate {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

export function compareFigures(promised: Figures | null, live: Figures | null): Comparison[] {
  return COMPARED.map(({ label, unit, names, ofOrders = false }) => {
    const [ours, theirs] = [estimate(live, names), estimate(promised, names)];
    return { label, unit, ofOrders, promised: theirs, live: ours, drift: drift(theirs, ours) };
  }).filter((each) => !each.ofOrders || each.promised !== null || each.live !== null);
}

function estimate(figures: Figures | null, [value, low, high]: ComparedFigure["names"]): Estimate | null {
  const found = figures?.[value];
  if (figures === null || found === undefined || found === null) return null;
  const end = (name: keyof LiveFigures | undefined) => (name === undefined ? null : (figures[name] ?? null));
  return { value: found, low: end(low), high: end(high) };
}

/** What was promised is given up only where its whole interval lies outside that of what came. */
function drift(promised: Estimate | null, live: Estimate | null): Comparison["drift"] {
  if (promised === null || live?.low == null || live.high == null) return null;
  if (live.high < (promised.low ?? promised.value)) return "below";
  if (live.low > (promised.high ?? promised.value)) return "above";
  return null;
}
