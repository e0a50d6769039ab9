import type { Figures } from "./protocol";

/** A figure as promised and as it came, with their 95 % intervals. */
export interface Comparison {
  readonly label: string;
  readonly unit: "share" | "ticks" | "rate" | "count";
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
  return [
    comparison("TP rate", "share", promised, live, "tp_rate", "tp_rate_low", "tp_rate_high"),
    comparison("Net per fire", "ticks", promised, live, "net_pnl_ticks", "net_pnl_ticks_low", "net_pnl_ticks_high"),
    comparison("Fires per hour", "rate", promised, live, "events_per_hour"),
    comparison("Fires judged", "count", promised, live, "n_net"),
  ];
}

type Name = Exclude<keyof Figures, "part" | "warm">;

function comparison(
  label: string,
  unit: Comparison["unit"],
  promised: Figures | null,
  live: Figures | null,
  ...names: [Name, Name?, Name?]
): Comparison {
  const [ours, theirs] = [estimate(live, names), estimate(promised, names)];
  return { label, unit, promised: theirs, live: ours, drift: drift(theirs, ours) };
}

function estimate(figures: Figures | null, [value, low, high]: [Name, Name?, Name?]): Estimate | null {
  const found = figures?.[value];
  if (figures === null || found === undefined || found === null) return null;
  const end = (name: Name | undefined) => (name === undefined ? null : (figures[name] ?? null));
  return { value: found, low: end(low), high: end(high) };
}

/** What was promised is given up only where its whole interval lies outside that of what came. */
function drift(promised: Estimate | null, live: Estimate | null): Comparison["drift"] {
  if (promised === null || live?.low == null || live.high == null) return null;
  if (live.high < (promised.low ?? promised.value)) return "below";
  if (live.low > (promised.high ?? promised.value)) return "above";
  return null;
}
