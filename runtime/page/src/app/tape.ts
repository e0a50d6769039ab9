import { fixed, priceDecimals, quantity } from "../model/format";
import { latestPrints } from "../model/volume";
import { FilledTable, make, setText } from "./dom";
import type { Page } from "./page";
import { panel } from "./panels";

const PRINTS = 7;

/** The last executions up to the shown bin, and what was bought and sold in sight of it. */
export class Tape {
  readonly #page: Page;
  readonly #table = new FilledTable("Last trades: time, price, size and who took them", ["Time", "Price", "Size", ""]);
  readonly #balance = make("span", { class: "aside figure" });

  constructor(page: Page) {
    this.#page = page;
    panel("tape", "Last trades", this.#table.element).querySelector("h2")?.append(this.#balance);
  }

  update(): void {
    const { session, head, clock } = this.#page;
    const { store, config } = session;
    if (store === null || config === null || head === null) return;
    const decimals = priceDecimals(config.tick_size);
    const rows = latestPrints(store, head, PRINTS).map(({ timeMs, price, quantity: size, taker }) => [
      clock.time(timeMs, true).slice(0, -2),
      { text: fixed(price, decimals), kind: taker === "buyer" ? "bid" : "ask" },
      { text: quantity(size), kind: taker === "buyer" ? "bid strong" : "ask strong" },
      { text: taker === "buyer" ? "bought" : "sold", kind: "taker" },
    ]);
    setText(this.#balance, rows.length === 0 ? "none yet" : "");
    this.#table.fill(rows);
  }
}
