import type {
  Figures,
  GridHistory,
  GridUpdate,
  Message,
  Model,
  Outcome,
  ProjectionScores,
  ProjectionShape,
  Rival,
  RivalScore,
  RuntimeConfig,
  ShadowScore,
  Status,
  Trade,
} from "../model/protocol";
import { PROTOCOL } from "../model/protocol";
import { asNumber, asNumberOrNull, asText, fail, ProtocolError, Reader } from "./checks";

const MOST_CELLS = 2001;
const MOST_TRADES = 1000;

/** Read a text message of the stream; ProtocolError says what of it is not as it should be. */
export function decodeText(text: string): Message {
  const value = parse(text);
  const message = new Reader(value, "message");
  const type = message.text("type");
  switch (type) {
    case "grid_update":
      return gridUpdate(value, type);
    case "grid_history":
      return gridHistory(new Reader(value, type));
    case "status":
      return status(new Reader(value, type));
    case "runtime_config":
      return runtimeConfig(new Reader(value, type));
    case "error":
      return { type, message: message.text("message") };
    default:
      return fail("message.type", "a type of this protocol", type);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError(`a message should be JSON, not ${JSON.stringify(text.slice(0, 40))}`);
  }
}

function gridUpdate(value: unknown, where: string): GridUpdate {
  const fields = new Reader(value, where);
  const update: GridUpdate = {
    type: "grid_update",
    seq: fields.whole("seq"),
    version: fields.text("version"),
    missed: fields.whole("missed"),
    bin_seq: fields.whole("bin_seq", Number.MIN_SAFE_INTEGER),
    bin_start_ns: fields.time("bin_start_ns"),
    bin_end_ns: fields.time("bin_end_ns"),
    mid_price: fields.optional("mid_price", fields.number),
    spot_price: fields.optional("spot_price", fields.number),
    spot_tick: fields.optional("spot_tick", tick(fields)),
    best_bid: fields.optional("best_bid", fields.number),
    best_ask: fields.optional("best_ask", fields.number),
    book_valid: fields.flag("book_valid"),
    bin_event_count: fields.whole("bin_event_count"),
    score: fields.optional("score", fields.number),
    ready: fields.flag("ready"),
    fire: fields.direction("fire"),
    projection: fields.optional("projection", (name) => fields.list(name, numbers)),
    challengers: fields.list("challengers", rivalScore),
    outcomes: fields.list("outcomes", outcome),
    trades: fields.optional("trades", (name) => fields.list(name, trade, MOST_TRADES)) ?? [],
    late_ms: fields.optional("late_ms", fields.number),
  };
  const shadow = fields.optional("shadow", (name) => shadowScore(fields.raw(name), fields.path(name)));
  if (shadow !== null) update.shadow = shadow;
  return update;
}

/** Ticks are kept as 32-bit numbers: a price of more than two thousand million ticks is none. */
function tick(fields: Reader): (name: string) => number {
  return (name) => {
    const value = fields.whole(name, -(2 ** 31) + 1);
    return value < 2 ** 31 ? value : fail(fields.path(name), "a tick under 2147483648", value);
  };
}

/** Price, quantity and the side that rested. */
function trade(value: unknown, where: string): Trade {
  if (!Array.isArray(value)) fail(where, "a list of price, quantity and side", value);
  const [price, quantity, side] = value;
  if (side !== "B" && side !== "A") fail(where, "of the side B or A", side);
  return { price: asNumber(price, where), quantity: asNumber(quantity, where), side };
}

function numbers(value: unknown, where: string): (number | null)[] {
  return Array.isArray(value) ? value.map((each) => asNumberOrNull(each, where)) : fail(where, "a list", value);
}

function rivalScore(value: unknown, where: string): RivalScore {
  const fields = new Reader(value, where);
  return { score: fields.optional("score", fields.number), fire: fields.direction("fire") };
}

function shadowScore(value: unknown, where: string): ShadowScore {
  const fields = new Reader(value, where);
  const outcomes = fields.optional("outcomes", (name) => fields.list(name, outcome)) ?? [];
  return { ...rivalScore(value, where), outcomes };
}

function outcome(value: unknown, where: string): Outcome {
  const fields = new Reader(value, where);
  return {
    model: fields.text("model"),
    seq: fields.whole("seq"),
    direction: fields.direction("direction"),
    outcome: fields.text("outcome"),
    pnl_ticks: fields.optional("pnl_ticks", fields.number),
    net_outcome: fields.optional("net_outcome", fields.text),
    net_pnl_ticks: fields.optional("net_pnl_ticks", fields.number),
  };
}

function gridHistory(fields: Reader): GridHistory {
  return { type: "grid_history", updates: fields.list("updates", gridUpdate) };
}

function runtimeConfig(fields: Reader): RuntimeConfig {
  const protocol = fields.whole("protocol");
  if (protocol !== PROTOCOL) fail(fields.path("protocol"), `${PROTOCOL}, which this page speaks`, protocol);
  const radius = fields.whole("radius", 1);
  if (2 * radius + 1 > MOST_CELLS) fail(fields.path("radius"), `under ${MOST_CELLS / 2}`, radius);
  return {
    type: "runtime_config",
    protocol,
    stream: fields.text("stream"),
    reason: fields.text("reason"),
    reset: fields.flag("reset"),
    instrument: fields.text("instrument"),
    tick_size: positive(fields, "tick_size"),
    size_unit: fields.optional("size_unit", fields.number),
    cell_width_ms: positive(fields, "cell_width_ms"),
    radius,
    columns: fields.list("columns", asText),
    fields: fields.list("fields", asText),
    schema: fields.optional("schema", fields.text),
    model: model(fields.reader("model")),
    evaluation: fields.object("evaluation"),
    projection: fields.optional("projection", (name) => projectionShape(fields.reader(name))),
    promised: fields.optional("promised", (name) => promised(fields.reader(name))),
    challengers: fields.list("challengers", rival, 16),
    shadow: fields.optional("shadow", (name) => rival(fields.raw(name), fields.path(name))),
    feed: feedFacts(fields.reader("feed")),
    buffer: buffer(fields.reader("buffer")),
    resumed: fields.optional("resumed", fields.text),
  };
}

function positive(fields: Reader, name: string): number {
  const value = fields.number(name);
  return value > 0 ? value : fail(fields.path(name), "more than 0", value);
}

function model(fields: Reader): Model {
  return {
    version: fields.text("version"),
    signal: fields.text("signal"),
    parameters: fields.object("parameters"),
    threshold: fields.number("threshold"),
    warmup_bins: fields.whole("warmup_bins"),
    cooldown_bins: fields.whole("cooldown_bins"),
    forced: fields.optional("forced", fields.text),
  };
}

function rival(value: unknown, where: string): Rival {
  const fields = new Reader(value, where);
  const name = fields.optional("name", fields.text);
  const parameters = fields.optional("parameters", fields.object) ?? {};
  const found = { signal: fields.text("signal"), parameters, threshold: fields.number("threshold") };
  return name === null ? found : { name, ...found };
}

function projectionShape(fields: Reader): ProjectionShape {
  const shape = {
    horizons_bins: fields.list("horizons_bins", asNumber, 64),
    quantiles: fields.list("quantiles", asNumber, 64),
  };
  if (shape.quantiles.length === 0) fail(fields.path("quantiles"), "at least one", shape.quantiles);
  return shape;
}

function feedFacts(fields: Reader): RuntimeConfig["feed"] {
  return { kind: fields.text("kind"), speed: fields.optional("speed", fields.number), live: fields.flag("live") };
}

function buffer(fields: Reader): RuntimeConfig["buffer"] {
  return {
    bins: fields.whole("bins"),
    first_seq: fields.optional("first_seq", fields.number),
    next_seq: fields.optional("next_seq", fields.number),
  };
}

function status(fields: Reader): Status {
  const feed = fields.reader("feed");
  const statistics = fields.reader("statistics");
  return {
    type: "status",
    server_time_ns: fields.time("server_time_ns"),
    feed: {
      state: feed.text("state"),
      lag_ms: feed.optional("lag_ms", feed.number),
      last_event_ns: feed.optional("last_event_ns", feed.time),
      late_events: feed.optional("late_events", feed.whole) ?? 0,
      problem: feed.optional("problem", feed.text),
      recording: feed.optional("recording", feed.text),
    },
    bins_per_second: fields.optional("bins_per_second", fields.number),
    deadline_misses: fields.whole("deadline_misses"),
    deadline_misses_recent: fields.whole("deadline_misses_recent"),
    clients: fields.whole("clients"),
    ready: fields.flag("ready"),
    reasons: fields.list("reasons", asText),
    refusals: fields.optional("refusals", fields.object) ?? {},
    statistics: {
      champion: statistics.optional("champion", (name) => figures(statistics.reader(name))),
      challengers: statistics.list("challengers", (value, where) =>
        value === null ? null : figures(new Reader(value, where)),
      ),
      projection: statistics.optional("projection", (name) => projectionScores(statistics.reader(name))),
    },
  };
}

/** What was promised by the part that the model had not seen, where that was opened, else by the one it had. */
function promised(fields: Reader): Figures | null {
  for (const part of ["test", "train"]) {
    const found = fields.optional(part, (name) => figures(fields.reader(name)));
    if (found !== null) return { ...found, part };
  }
  const flat = figures(fields);
  return Object.keys(flat).length > 0 ? flat : null;
}

/** Figures are numbers, null or missing; what else stands among them is let be. */
function figures(fields: Reader): Figures {
  const found: Record<string, number | string | boolean | null> = {};
  for (const [name, value] of Object.entries(fields.all())) {
    if (name === "part") found[name] = fields.text(name);
    else if (name === "warm") found[name] = fields.flag(name);
    else if (value === null || typeof value === "number") found[name] = value;
  }
  return found;
}

function projectionScores(fields: Reader): ProjectionScores {
  return {
    coverage_50: fields.list("coverage_50", asNumberOrNull),
    coverage_90: fields.list("coverage_90", asNumberOrNull),
    pinball: fields.list("pinball", asNumberOrNull),
    n: fields.list("n", asNumberOrNull),
  };
}
