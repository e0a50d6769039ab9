import type {
  GridHistory,
  GridUpdate,
  Message,
  OrderChange,
  OrderState,
  Outcome,
  RivalScore,
  ShadowScore,
  ShadowUpdate,
  Trade,
} from "../model/protocol";
import { asNumber, asNumberOrNull, fail, ProtocolError, Reader } from "./checks";
import { runtimeConfig } from "./decode-config";
import { status } from "./decode-status";

const MOST_TRADES = 1000;
const ORDER_STATES: readonly string[] = ["resting", "filled", "withdrawn", "rejected", "cleared"];

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
    case "shadow_history":
      return { type, updates: new Reader(value, type).list("updates", shadowUpdate) };
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
    orders: fields.optional("orders", (name) => fields.list(name, order)) ?? [],
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
  const orders = fields.optional("orders", (name) => fields.list(name, order)) ?? [];
  return { ...rivalScore(value, where), outcomes, orders };
}

function shadowUpdate(value: unknown, where: string): ShadowUpdate {
  return { seq: new Reader(value, where).whole("seq"), ...shadowScore(value, where) };
}

function order(value: unknown, where: string): OrderChange {
  const fields = new Reader(value, where);
  const state = fields.text("state");
  if (!ORDER_STATES.includes(state)) fail(fields.path("state"), `one of ${ORDER_STATES.join(", ")}`, state);
  return {
    model: fields.text("model"),
    seq: fields.whole("seq"),
    direction: fields.direction("direction"),
    state: state as OrderState,
    price: fields.number("price"),
    fill_ns: fields.optional("fill_ns", fields.time),
  };
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
