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
  n_orders?: number | null;
  n_orders_rejected?: number | null;
  n_orders_withdrawn?: number | null;
  n_orders_cleared?: number | null;
  fill_rate?: number | null;
  fill_rate_low?: number | null;
  fill_rate_high?: number | null;
  median_wait_ms?: number | null;
  through_share?: number | null;
  through_share_low?: number | null;
  through_share_high?: number | null;
  behind_share?: number | null;
  behind_share_low?: number | null;
  behind_share_high?: number | null;
  crossed_share?: number | null;
  crossed_share_low?: number | null;
  crossed_share_high?: number | null;
  markout_100ms_ticks?: number | null;
  markout_100ms_ticks_low?: number | null;
  markout_100ms_ticks_high?: number | null;
  markout_1s_ticks?: number | null;
  markout_1s_ticks_low?: number | null;
  markout_1s_ticks_high?: number | null;
  markout_5s_ticks?: number | null;
  markout_5s_ticks_low?: number | null;
  markout_5s_ticks_high?: number | null;
  markout_10s_ticks?: number | null;
  markout_10s_ticks_low?: number | null;
  markout_10s_ticks_high?: number | null;
}

/** A figure whose promise stands beside what came live; mean and interval are named by their fields. */
export interface ComparedFigure {
  readonly label: string;
  readonly unit: "share" | "ticks" | "rate" | "ms" | "count";
  readonly names: readonly [keyof LiveFigures, keyof LiveFigures, keyof LiveFigures] | readonly [keyof LiveFigures];
  /** Whether it is about resting orders: shown where there are such. */
  readonly ofOrders?: true;
}

export const COMPARED: readonly ComparedFigure[] = [
  { label: "Take-profit", unit: "share", names: ["tp_rate", "tp_rate_low", "tp_rate_high"] },
  { label: "Net per fire", unit: "ticks", names: ["net_pnl_ticks", "net_pnl_ticks_low", "net_pnl_ticks_high"] },
  { label: "Fires judged", unit: "count", names: ["n_net"] },
  { label: "Orders filled", unit: "share", names: ["fill_rate", "fill_rate_low", "fill_rate_high"], ofOrders: true },
  { label: "Wait for a fill", unit: "ms", names: ["median_wait_ms"], ofOrders: true },
  { label: "Fires per hour", unit: "rate", names: ["events_per_hour"] },
];
