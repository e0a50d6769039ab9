/**
 * The messages of the stream, named as on the wire: prices in price units, moves in ticks, times in nanoseconds as
 * decimal strings. `null` stands for a value that does not exist (NaN has no spelling in JSON).
 */

import type { LiveFigures } from "./figures";

/** The version of the protocol that this page reads; it refuses any other. */
export const PROTOCOL = 1;

export type Direction = -1 | 0 | 1;
export type Scalar = string | number | boolean | null;

export interface Model {
  version: string;
  signal: string;
  parameters: Record<string, unknown>;
  threshold: number;
  warmup_bins: number;
  cooldown_bins: number;
  forced: string | null;
  /** Gates that were overridden although something else may speak without them than was run. */
  unsafe: string[];
  /** What the weights of a learned signal are; null for any other. */
  fit: Fit | null;
}

/** Weights that were fitted to the past, and are served as they are. */
export interface Fit {
  model: string;
  dataset: string;
  fitted_at_ns: string;
  training_bins: number;
  training_loss: number;
}

/** A model that is scored beside the champion: a challenger of the server, or the overrides of this client. */
export interface Rival {
  name?: string;
  signal: string;
  parameters: Record<string, unknown>;
  threshold: number;
}

/** What the quantiles of the projection are, and how many bins ahead. */
export interface ProjectionShape {
  horizons_bins: number[];
  quantiles: number[];
}

/** Figures over the fires of one model: promised by the evidence of a promotion, or counted live. */
export interface Figures extends LiveFigures {
  part?: string;
  /** Whether the model is ready: past its warm-up, and past what it remembers of where the feed began. */
  warm?: boolean;
  /** How many bins it must still be shown until it is ready; null where it never will be. */
  bins_to_go?: number | null;
  bins?: number | null;
  hours?: number | null;
  n_open?: number | null;
  n_tp?: number | null;
  n_sl?: number | null;
  n_timeout?: number | null;
  claim?: Claim | null;
}

/** What may be claimed of a model, however often one looks; ticks a fire, or, of a challenger, more a block. */
export interface Claim {
  says: string;
  mean: number | null;
  low: number | null;
  high: number | null;
  n_blocks: number;
  promised_low: number | null;
  promised_high: number | null;
}

export interface RuntimeConfig {
  type: "runtime_config";
  protocol: number;
  stream: string;
  reason: string;
  reset: boolean;
  instrument: string;
  tick_size: number;
  size_unit: number | null;
  cell_width_ms: number;
  radius: number;
  columns: string[];
  fields: string[];
  /** Base64; null where no fields are asked for. */
  schema: string | null;
  model: Model;
  evaluation: Record<string, unknown>;
  projection: ProjectionShape | null;
  promised: Figures | null;
  challengers: Rival[];
  shadow: Rival | null;
  /** The name is null where the server has one feed, which needs none. */
  feed: { name: string | null; kind: string; speed: number | null; live: boolean };
  buffer: { bins: number; first_seq: number | null; next_seq: number | null };
  resumed: string | null;
}

/** What was executed at a price, and the side of the book that it came from: bid or ask. */
export interface Trade {
  price: number;
  quantity: number;
  side: "B" | "A";
}

export interface RivalScore {
  score: number | null;
  fire: Direction;
}

/** What the model of this client's own overrides says. */
export interface ShadowScore extends RivalScore {
  outcomes: Outcome[];
  orders: OrderChange[];
}

export type OrderState = "resting" | "filled" | "withdrawn" | "rejected" | "cleared";

/** A fire's resting order was placed, or what became of it is known; `seq` is the bin of the fire. */
export interface OrderChange {
  model: string;
  seq: number;
  direction: Direction;
  state: OrderState;
  price: number;
  /** When it was filled; null in every other state. */
  fill_ns: string | null;
}

export interface Outcome {
  model: string;
  seq: number;
  direction: Direction;
  outcome: string;
  pnl_ticks: number | null;
  net_outcome: string | null;
  net_pnl_ticks: number | null;
}

export interface GridUpdate {
  type: "grid_update";
  seq: number;
  version: string;
  missed: number;
  bin_seq: number;
  bin_start_ns: string;
  bin_end_ns: string;
  mid_price: number | null;
  spot_price: number | null;
  spot_tick: number | null;
  best_bid: number | null;
  best_ask: number | null;
  book_valid: boolean;
  bin_event_count: number;
  score: number | null;
  ready: boolean;
  fire: Direction;
  projection: (number | null)[][] | null;
  challengers: RivalScore[];
  shadow?: ShadowScore;
  outcomes: Outcome[];
  /** Empty where the models enter at the touch. */
  orders: OrderChange[];
  trades: Trade[];
  /** How long after it could be closed the bin was sent; null where the server does not say. */
  late_ms: number | null;
}

export interface GridHistory {
  type: "grid_history";
  updates: GridUpdate[];
}

/** What the model of this client's own overrides says of a bin that came without it. */
export interface ShadowUpdate extends ShadowScore {
  seq: number;
}

export interface ShadowHistory {
  type: "shadow_history";
  updates: ShadowUpdate[];
}

export interface ProjectionScores {
  coverage_50: (number | null)[];
  coverage_90: (number | null)[];
  pinball: (number | null)[];
  n: (number | null)[];
  /** What may be claimed of the coverage at any time; [] of a server that does not say. */
  coverage_50_says: string[];
  coverage_90_says: string[];
}

export interface Status {
  type: "status";
  server_time_ns: string;
  feed: {
    state: string;
    lag_ms: number | null;
    last_event_ns: string | null;
    late_events: number;
    problem: string | null;
    /** "on", or why the recording stopped; null where nothing is recorded. */
    recording: string | null;
  };
  bins_per_second: number | null;
  deadline_misses: number;
  deadline_misses_recent: number;
  clients: number;
  ready: boolean;
  reasons: string[];
  /** Versions that were to be promoted and could not be, and why. */
  refusals: Record<string, unknown>;
  /** The version that is on its way, and how many bins it must still be shown. */
  coming: Coming | null;
  statistics: {
    champion: Figures | null;
    challengers: (Figures | null)[];
    /** Of the model of this client's own overrides; null where there is none, or nothing is known of it yet. */
    shadow: Figures | null;
    projection: ProjectionScores | null;
  };
}

export interface Coming {
  version: string;
  bins_to_go: number | null;
}

export interface ErrorMessage {
  type: "error";
  message: string;
}

export type Message = RuntimeConfig | GridUpdate | GridHistory | ShadowHistory | Status | ErrorMessage;

/** The cells of one or more bins by column, bin-major, k from -radius to radius. */
export type Cells = ReadonlyMap<string, ArrayLike<number>>;
