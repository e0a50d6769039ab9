import { duration, fitText, fixed, grouped, NOTHING, priceDecimals, quantity } from "../model/format";
import type { Condition } from "../model/health";
import { paceText } from "../model/replay";
import { bestSizes, latestPrints } from "../model/volume";
import { byId, make, setClass, setText } from "./dom";
import type { Page } from "./page";

const FIGURES = ["Last", "Bid", "Ask", "Mid", "Spread", "Lag", "Bins per second", "Deadline misses", "Time"] as const;
/** What a replay has not: it is not asked to keep up with anything. */
const OF_LIVE_FEEDS: readonly Figure[] = ["Lag", "Deadline misses"];
type Figure = (typeof FIGURES)[number];

/** The head of the page: instrument, state of the stream, served version, and the current figures. */
export class Header {
  readonly #page: Page;
  readonly #instrument = byId("instrument", HTMLElement);
  readonly #state = byId("state", HTMLElement);
  readonly #version = byId("version", HTMLButtonElement);
  readonly #model = byId("model-name", HTMLElement);
  readonly #docs = byId("docs", HTMLAnchorElement);
  readonly #unsafe = byId("unsafe", HTMLElement);
  readonly #banner = byId("banner", HTMLElement);
  readonly #values = new Map<Figure, HTMLElement>();
  readonly #figures = new Map<Figure, HTMLElement>();
  readonly #dismiss = make("button", { type: "button" }, "Dismiss");
  #shown = "";

  constructor(page: Page) {
    this.#page = page;
    const figures = byId("figures", HTMLDListElement);
    for (const name of FIGURES) {
      const side = name === "Bid" ? " bid" : name === "Ask" ? " ask" : "";
      const value = make("dd", { class: `figure${side}` }, NOTHING);
      this.#values.set(name, value);
      const figure = make(
        "div",
        { "data-figure": name.toLowerCase().replaceAll(" ", "-") },
        make("dt", {}, name),
        value,
      );
      this.#figures.set(name, figure);
      figures.append(figure);
    }
    this.#dismiss.addEventListener("click", () => page.session.dismissFaults());
  }

  update(): void {
    const conditions = this.#page.session.conditions();
    this.#updateState(conditions);
    this.#updateBanner(conditions);
    this.#updateFigures();
    const { theme } = this.#page.settings;
    this.#docs.search = theme === "auto" ? "" : `?theme=${theme}`;
    const { session } = this.#page;
    const { config } = session;
    if (config === null) return;
    setText(this.#instrument, config.instrument);
    setText(this.#version, config.model.version);
    setText(this.#model, `${config.model.signal} on ${config.feed.kind}`);
    for (const name of OF_LIVE_FEEDS) {
      const figure = this.#figures.get(name);
      if (figure !== undefined) figure.hidden = session.isReplay;
    }
    const forced = config.model.forced === null ? [] : [`promoted over a gate: ${config.model.forced}`];
    const fitted = config.model.fit === null ? [] : [fitText(config.model.fit)];
    this.#model.title = [...fitted, ...forced].join("\n");
    this.#unsafe.hidden = config.model.unsafe.length === 0;
    this.#unsafe.title = `promoted without ${config.model.unsafe.join(" and ")}: it may not be what was run`;
    const feed = config.feed.name === null ? "" : `${config.feed.name}: `;
    document.title = `${feed}${config.instrument} ${config.model.version} \u2013 vpharness`;
  }

  #updateState(conditions: readonly Condition[]): void {
    const worst = conditions[0]?.severity ?? "good";
    const { isLive, session } = this.#page;
    const isUp = session.connection.state === "open" && session.config !== null;
    const names: Record<string, string> = {
      disconnected: "Disconnected",
      refused: "Refused",
      stale: "Stale",
      ready: "Not ready",
      book: "Book invalid",
    };
    const fault = worst === "critical" ? (names[conditions[0]?.id ?? ""] ?? "Fault") : null;
    const pace = session.config === null ? "Live" : paceText(session.config.feed);
    const text = fault ?? (!isUp ? "Connecting" : isLive ? pace : "Paused");
    setText(this.#state, text);
    const rate = session.status?.bins_per_second ?? null;
    this.#state.title = rate === null ? "" : `${fixed(rate, 1)} bins a second`;
    const isWell = isUp && conditions.length === 0;
    const kind = isWell && session.isReplay ? "replay" : isUp ? worst : "info";
    setClass(this.#state, `pill ${fault !== null ? "critical" : !isLive ? "paused" : kind}`);
    document.body.classList.toggle("stands", ["disconnected", "refused", "stale"].includes(conditions[0]?.id ?? ""));
  }

  #updateBanner(conditions: readonly Condition[]): void {
    const key = conditions.map(({ id, text }) => `${id} ${text}`).join("\n");
    if (key !== this.#shown) this.#fillBanner(conditions);
    this.#shown = key;
    const counts = this.#banner.querySelectorAll(".count");
    conditions.forEach(({ count = "" }, i) => {
      if (counts[i] !== undefined) setText(counts[i], count);
    });
  }

  #fillBanner(conditions: readonly Condition[]): void {
    const lines = conditions.map(({ id, severity, text }) => {
      const count = make("span", { class: "count figure", "aria-hidden": "true" });
      const line = make("p", { class: severity, title: text }, make("span", {}, text), count);
      if (id === "frame" || id === "missed") line.append(this.#dismiss);
      return line;
    });
    this.#banner.replaceChildren(...lines);
  }

  #updateFigures(): void {
    const { session, head, clock } = this.#page;
    const { store, status, config } = session;
    const slot = store === null || head === null ? -1 : store.slot(head);
    const decimals = priceDecimals((config?.tick_size ?? 1) / 2);
    const has = store !== null && slot >= 0;
    const at = (values: Float64Array | undefined) => (has && values !== undefined ? (values[slot] as number) : null);
    const spread = has ? (store.bestAsk[slot] as number) - (store.bestBid[slot] as number) : null;
    const misses = status?.deadline_misses ?? null;
    const price = (value: number | null) => fixed(value, priceDecimals(config?.tick_size ?? 1));
    const [last] = has && head !== null ? latestPrints(store, head, 1) : [];
    this.#write("Last", last === undefined ? NOTHING : withSize(price(last.price), last.quantity));
    const lastClass = last === undefined ? "" : last.taker === "buyer" ? "bid" : "ask";
    setClass(this.#values.get("Last") as HTMLElement, `figure ${lastClass}`);
    const sizes = has ? bestSizes(store, slot) : { bid: null, ask: null };
    this.#write("Bid", withSize(price(at(store?.bestBid)), sizes.bid));
    this.#write("Ask", withSize(price(at(store?.bestAsk)), sizes.ask));
    this.#write("Mid", fixed(at(store?.mid), decimals));
    this.#write("Spread", price(spread));
    this.#write("Lag", duration(status?.feed.lag_ms ?? at(store?.lateMs)));
    this.#write("Bins per second", fixed(status?.bins_per_second, (status?.bins_per_second ?? 0) < 100 ? 1 : 0));
    this.#write("Deadline misses", misses === null ? NOTHING : grouped(misses));
    const time = at(store?.startMs);
    this.#write("Time", time === null ? NOTHING : clock.time(time, true));
  }

  #write(name: Figure, text: string): void {
    const element = this.#values.get(name);
    if (element !== undefined) setText(element, text);
  }
}

/** A price with what was executed or rests there. */
function withSize(price: string, size: number | null): string {
  return price === NOTHING || size === null ? price : `${price}\u2009\u00d7\u2009${quantity(size)}`;
}
