// Made from the registry of figures by `python -m vpharness.evaluation.page_figures`; not to be edited.

/** Figures of the live statistics, and of what a promotion promised. */
export interface LiveFigures {
  n_fires?: number | null;
  events_per_hour?: number | null;
  tp_rate?: number | null;
  tp_rate_low?: number | null;
  tp_rate_high?: number | null;
  n_net?: number | null;
  n_net_blocks?: number | null;
  net_pnl_ticks?: number | null;
  net_pnl_ticks_low?: number | null;
  net_pnl_ticks_high?: number | null;
}

/** A figure whose promise stands beside what came live; mean and interval are named by their fields. */
export interface ComparedFigure {
  readonly label: string;
  readonly unit: "share" | "ticks" | "rate" | "count";
  readonly names: readonly [keyof LiveFigures, keyof LiveFigures, keyof LiveFigures] | readonly [keyof LiveFigures];
}

export const COMPARED: readonly ComparedFigure[] = [
  { label: "Take-profit", unit: "share", names: ["tp_rate", "tp_rate_low", "tp_rate_high"] },
  { label: "Net per fire", unit: "ticks", names: ["net_pnl_ticks", "net_pnl_ticks_low", "net_pnl_ticks_high"] },
  { label: "Fires judged", unit: "count", names: ["n_net"] },
  { label: "Fires per hour", unit: "rate", names: ["events_per_hour"] },
];
