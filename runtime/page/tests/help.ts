import type { GridUpdate, RuntimeConfig, Status } from "../src/model/protocol";

export const RADIUS = 2;
const START_NS = 1_704_205_800_000_000_001n;

/** A bin of 100 ms with the spot at tick 400 + seq (tick size 0.25). */
export function update(seq: number, changes: Partial<GridUpdate> = {}): GridUpdate {
  const startNs = START_NS + BigInt(seq) * 100_000_000n;
  return {
    type: "grid_update",
    seq,
    version: "v1",
    missed: 0,
    bin_seq: seq,
    bin_start_ns: String(startNs),
    bin_end_ns: String(startNs + 100_000_000n),
    mid_price: 100 + seq * 0.25,
    spot_price: 100 + seq * 0.25,
    spot_tick: 400 + seq,
    best_bid: 99.75 + seq * 0.25,
    best_ask: 100.25 + seq * 0.25,
    book_valid: true,
    bin_event_count: 1,
    score: 0.5,
    ready: true,
    fire: 0,
    projection: null,
    challengers: [],
    outcomes: [],
    orders: [],
    trades: [],
    late_ms: null,
    ...changes,
  };
}

export function config(changes: Partial<RuntimeConfig> = {}): RuntimeConfig {
  return {
    type: "runtime_config",
    protocol: 1,
    stream: "one",
    reason: "hello",
    reset: false,
    instrument: "SYN",
    tick_size: 0.25,
    size_unit: 1,
    cell_width_ms: 100,
    radius: RADIUS,
    columns: ["v_add"],
    fields: ["v_add"],
    schema: "",
    model: {
      version: "v1",
      signal: "ads",
      parameters: {},
      threshold: 0.1,
      warmup_bins: 300,
      cooldown_bins: 30,
      forced: null,
      unsafe: [],
      fit: null,
    },
    evaluation: {},
    projection: { horizons_bins: [1, 4], quantiles: [0.05, 0.5, 0.95] },
    promised: null,
    challengers: [],
    shadow: null,
    feed: { name: null, kind: "databento", speed: null, live: true },
    buffer: { bins: 6000, first_seq: 0, next_seq: 0 },
    resumed: null,
    ...changes,
  };
}

export function status(changes: Partial<Status> = {}): Status {
  return {
    type: "status",
    server_time_ns: "0",
    feed: { state: "live", lag_ms: 1, last_event_ns: "0", late_events: 0, problem: null, recording: null },
    bins_per_second: 10,
    deadline_misses: 0,
    deadline_misses_recent: 0,
    clients: 1,
    ready: true,
    reasons: [],
    refusals: {},
    coming: null,
    statistics: { champion: {}, challengers: [], shadow: null, projection: null },
    ...changes,
  };
}

/** The cells of bins, each value 10 seq + k. */
export function cells(...seqs: number[]): Map<string, number[]> {
  const ks = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => i - RADIUS);
  return new Map([["v_add", seqs.flatMap((seq) => ks.map((k) => 10 * seq + k))]]);
}
