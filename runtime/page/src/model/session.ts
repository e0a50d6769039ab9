import { BinStore } from "./bin-store";
import { FIELDS, isCarried, SHOWN_COLUMNS } from "./fields";
import { type Fire, FireLog } from "./fires";
import { type Condition, type Connection, conditions } from "./health";
import type { Cells, GridUpdate, RuntimeConfig, ShadowUpdate, Status } from "./protocol";
import { overrides, type Query, type Settings } from "./settings";
import type { Milliseconds, Seq } from "./units";

export interface SessionEvents {
  /** Bins came, or anything else that changes the picture. */
  changed(): void;
  notice(text: string): void;
  fires(fires: readonly Fire[]): void;
}

/** Where a feed restarted, or the server has another stream, the display starts over. */
const OTHER_STREAM = "other_stream";

/** What is known of the stream: takes what the socket says, and knows what to ask for next. */
export class Session {
  config: RuntimeConfig | null = null;
  status: Status | null = null;
  store: BinStore | null = null;
  readonly fires = new FireLog();
  connection: Connection = { state: "connecting" };
  badFrames = 0;
  lastBadFrame: string | null = null;
  missedBins = 0;
  /** How many bins the server keeps, as far as it is known: of more it would not hear. */
  serverBins: number | null = null;
  #heardMs: Milliseconds | null = null;
  #binMs: Milliseconds | null = null;
  readonly #thresholds = new Map<string, number>();

  constructor(
    readonly capacity: number,
    readonly now: () => Milliseconds,
    readonly events: SessionEvents,
  ) {}

  /** The query of the next connection: all that is kept, or what came after the last bin. */
  query(settings: Settings, address: Query): [string, string][] {
    const history = Math.min(this.capacity, this.serverBins ?? this.capacity);
    const query: [string, string][] = [...overrides(address), ["history", String(history)]];
    if (settings.columns === "shown") query.push(["fields", SHOWN_COLUMNS.join(",")]);
    const last = this.store?.last;
    if (this.config !== null && last !== null && last !== undefined) {
      query.push(["from_seq", String(last + 1)], ["stream", this.config.stream]);
    }
    return query;
  }

  /** Drop everything, so that the next connection starts over. */
  forget(): void {
    this.store = null;
    this.fires.clear();
    this.events.changed();
  }

  takeConfig(config: RuntimeConfig): void {
    this.#heardMs = this.now();
    const before = this.config;
    this.config = config;
    this.#thresholds.set(config.model.version, config.model.threshold);
    if (before !== null) this.#announce(before, config);
    if (before !== null && before.model.version !== config.model.version) this.fires.abandonOrders();
    const isOther = before !== null && (before.stream !== config.stream || config.resumed === OTHER_STREAM);
    if (config.reset || isOther || !this.#fits(config)) this.#begin(config);
    this.store?.reshape(config.challengers.length, config.projection);
    this.events.changed();
  }

  takeBins(updates: readonly GridUpdate[], cells: Cells | null): void {
    const { store, config } = this;
    this.#heardMs = this.now();
    if (store === null || config === null) return;
    const names = config.challengers.map((challenger, i) => challenger.name ?? `c${i + 1}`);
    const before = store.last;
    const fresh: Fire[] = [];
    updates.forEach((update, i) => {
      store.write(update, cells, i);
      this.missedBins += update.missed;
      fresh.push(...this.fires.take(update, names, store.startMs[store.slot(update.seq)] as number));
    });
    if (store.last !== before) this.#binMs = this.now();
    this.fires.forgetBefore(store.first ?? 0);
    // What comes from the buffer is no news.
    if (updates.length === 1 && fresh.length > 0) this.events.fires(fresh);
    this.events.changed();
  }

  /** What the model of this page's own overrides says of bins that are here already: no news, so nothing is told. */
  takeShadow(updates: readonly ShadowUpdate[]): void {
    const { store } = this;
    this.#heardMs = this.now();
    if (store === null) return;
    for (const update of updates) {
      const slot = store.slot(update.seq);
      if (slot < 0) continue;
      store.shadowScore[slot] = update.score ?? Number.NaN;
      this.fires.takeShadow(update, store.startMs[slot] as number, store.mid[slot] as number);
    }
    this.events.changed();
  }

  takeStatus(status: Status): void {
    this.#heardMs = this.now();
    this.status = status;
    this.events.changed();
  }

  takeBadFrame(reason: string): void {
    this.#heardMs = this.now();
    this.badFrames += 1;
    this.lastBadFrame = reason;
    this.events.changed();
  }

  takeConnection(connection: Connection): void {
    this.connection = connection;
    if (connection.state === "open") this.#heardMs = this.now();
    this.events.changed();
  }

  /** The user has read what was wrong with frames. */
  dismissFaults(): void {
    this.badFrames = 0;
    this.lastBadFrame = null;
    this.missedBins = 0;
    this.events.changed();
  }

  /** The promoted threshold of a version, as far as it was said while the page was there. */
  threshold(version: string): number | null {
    return this.#thresholds.get(version) ?? null;
  }

  get isReplay(): boolean {
    return this.config?.feed.live === false;
  }

  /** The fields that the stream carries all columns of. */
  carriedFields(): string[] {
    const columns = this.config?.fields ?? [];
    return FIELDS.filter((field) => isCarried(field, columns)).map((field) => field.name);
  }

  conditions(): Condition[] {
    const last = this.store?.last ?? null;
    const slot = last === null || this.store === null ? -1 : this.store.slot(last);
    const flag = (values: Uint8Array | undefined) => (slot < 0 || values === undefined ? null : values[slot] === 1);
    return conditions({
      nowMs: this.now(),
      connection: this.connection,
      heardMs: this.#heardMs,
      binMs: this.#binMs,
      status: this.status,
      bookValid: flag(this.store?.bookValid),
      binReady: flag(this.store?.ready),
      cellWidthMs: this.config?.cell_width_ms ?? 0,
      badFrames: this.badFrames,
      lastBadFrame: this.lastBadFrame,
      missedBins: this.missedBins,
      isReplay: this.isReplay,
      model: this.config?.model ?? null,
    });
  }

  #fits(config: RuntimeConfig): boolean {
    const shape = this.store?.shape;
    const isSame = shape?.radius === config.radius && shape.tickSize === config.tick_size;
    return isSame && shape.columns.join() === config.fields.join();
  }

  #begin(config: RuntimeConfig): void {
    const { radius, tick_size: tickSize, fields: columns } = config;
    this.store = new BinStore({ capacity: this.capacity, radius, tickSize, columns });
    this.#binMs = null;
    this.fires.clear();
  }

  #announce(before: RuntimeConfig, config: RuntimeConfig): void {
    const [was, is] = [before.model.version, config.model.version];
    if (config.reset) this.events.notice("The feed restarted: the display starts over.");
    else if (config.resumed === OTHER_STREAM) this.events.notice("The server was restarted: the display starts over.");
    else if (config.resumed === "gap") this.events.notice("Connected again; some bins are no longer in the buffer.");
    else if (config.resumed === "whole") this.events.notice("Connected again; nothing is missing.");
    if (was === is) return;
    const what = config.reason === "rollback" ? "Rolled back" : "Promoted";
    this.events.notice(`${what}: ${is} (${config.model.signal}) is served from here on, ${was} was until now.`);
  }
}

/** The bin that a playhead means: the newest where it is live, else the nearest that is still kept. */
export function headOf(store: BinStore | null, playhead: Seq | null): Seq | null {
  const [first, last] = [store?.first ?? null, store?.last ?? null];
  if (first === null || last === null) return null;
  return playhead === null ? last : Math.min(Math.max(playhead, first), last);
}
