import type { Direction, GridUpdate, OrderChange, OrderState, Outcome, ShadowUpdate } from "./protocol";
import type { Milliseconds, Price, Seq } from "./units";

export type FireState = "open" | "tp" | "sl" | "timeout" | "skipped";

/** The order with which a fire enters, where it does not enter at the touch. */
export interface RestingOrder {
  readonly state: OrderState;
  readonly price: Price;
  /** The bin in which its fate became known; null while it rests. */
  readonly endSeq: Seq | null;
}

export interface Fire {
  readonly model: string;
  readonly seq: Seq;
  readonly direction: Direction;
  readonly timeMs: Milliseconds;
  readonly mid: Price;
  readonly score: number;
  state: FireState;
  pnlTicks: number | null;
  netPnlTicks: number | null;
  /** The bin that decided it; null while it is open. */
  endSeq: Seq | null;
  order: RestingOrder | null;
}

/** Return the state of a fire as it was known at a bin. */
export function stateAt(fire: Fire, seq: Seq): FireState {
  return fire.endSeq !== null && fire.endSeq > seq ? "open" : fire.state;
}

/** Return the state of a fire's order as it was known at a bin; null where it has none. */
export function orderAt({ order }: Fire, seq: Seq): OrderState | null {
  if (order === null) return null;
  return order.endSeq !== null && order.endSeq > seq ? "resting" : order.state;
}

export const CHAMPION = "champion";
export const SHADOW = "shadow";
const MOST_FIRES = 4000;
const STATES: readonly string[] = ["tp", "sl", "timeout", "skipped"];

/** The fires that the page has seen, with what became of them; the oldest make room. */
export class FireLog {
  #fires: Fire[] = [];
  readonly #byKey = new Map<string, Fire>();

  get all(): readonly Fire[] {
    return this.#fires;
  }

  /** Note the fires and the outcomes of a bin; return the fires that are new. */
  take(update: GridUpdate, challengers: readonly string[], timeMs: Milliseconds): Fire[] {
    const said: [string, { score: number | null; fire: Direction } | undefined][] = [
      [CHAMPION, update],
      ...challengers.map((name, i): [string, GridUpdate["challengers"][number] | undefined] => [
        name,
        update.challengers[i],
      ]),
      [SHADOW, update.shadow],
    ];
    const fresh: Fire[] = [];
    for (const [model, each] of said) {
      if (each === undefined || each.fire === 0 || this.#byKey.has(key(model, update.seq))) continue;
      const mid = update.mid_price ?? Number.NaN;
      fresh.push(this.#add(model, each.fire, each.score, { seq: update.seq, timeMs, mid }));
    }
    for (const order of [...update.orders, ...(update.shadow?.orders ?? [])]) this.#follow(order, update.seq);
    for (const outcome of [...update.outcomes, ...(update.shadow?.outcomes ?? [])]) this.#resolve(outcome, update.seq);
    return fresh;
  }

  /** Note what the model of the client's own overrides says of a bin that came before. */
  takeShadow({ seq, fire, score, orders, outcomes }: ShadowUpdate, timeMs: Milliseconds, mid: Price): void {
    if (fire !== 0 && !this.#byKey.has(key(SHADOW, seq))) {
      this.#add(SHADOW, fire, score, { seq, timeMs, mid });
      this.#fires.sort((a, b) => a.seq - b.seq);
    }
    for (const order of orders) this.#follow(order, seq);
    for (const outcome of outcomes) this.#resolve(outcome, seq);
  }

  /** Another version speaks: nobody follows the orders of the one before any more. */
  abandonOrders(): void {
    for (const fire of this.#fires) {
      if (fire.model === CHAMPION && fire.order?.state === "resting") fire.order = null;
    }
  }

  /** Forget the fires before a bin: those that the ring no longer has. */
  forgetBefore(seq: Seq): void {
    const first = this.#fires.findIndex((fire) => fire.seq >= seq);
    this.#drop(first < 0 ? this.#fires.length : first);
  }

  clear(): void {
    this.#drop(this.#fires.length);
  }

  #add(model: string, direction: Direction, score: number | null, at: Pick<Fire, "seq" | "timeMs" | "mid">): Fire {
    const fire: Fire = {
      ...at,
      model,
      direction,
      score: score ?? Number.NaN,
      state: "open",
      pnlTicks: null,
      netPnlTicks: null,
      endSeq: null,
      order: null,
    };
    this.#fires.push(fire);
    this.#byKey.set(key(model, fire.seq), fire);
    if (this.#fires.length > MOST_FIRES) this.#drop(this.#fires.length - MOST_FIRES);
    return fire;
  }

  #follow({ model, seq, state, price }: OrderChange, now: Seq): void {
    const fire = this.#byKey.get(key(model, seq));
    if (fire !== undefined) fire.order = { state, price, endSeq: state === "resting" ? null : now };
  }

  #resolve(outcome: Outcome, now: Seq): void {
    const fire = this.#byKey.get(key(outcome.model, outcome.seq));
    if (fire === undefined || !STATES.includes(outcome.outcome)) return;
    fire.state = outcome.outcome as FireState;
    fire.endSeq = now;
    fire.pnlTicks = outcome.pnl_ticks;
    fire.netPnlTicks = outcome.net_pnl_ticks;
  }

  #drop(count: number): void {
    if (count <= 0) return;
    for (const fire of this.#fires.slice(0, count)) this.#byKey.delete(key(fire.model, fire.seq));
    this.#fires = this.#fires.slice(count);
  }
}

function key(model: string, seq: Seq): string {
  return `${model} ${seq}`;
}
