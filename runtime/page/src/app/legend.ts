import { COLOUR_STEPS, colourTable } from "../model/colour-map";
import { significant } from "../model/format";
import { byId, make, setText } from "./dom";
import type { Page } from "./page";

const ORDERS = "\u25cb resting order   \u25cf filled   \u2715 not filled";
const ORDERS_MEAN =
  "A dashed line to a ring: the order of a fire rests in the queue at that price. A line to a dot: it was filled there. " +
  "A line to a cross: it was withdrawn after its longest wait, rejected on arrival, or cleared with the book.";

/** What the colours of the map mean, in the line above it, and the marks of resting orders where there are such. */
export class Legend {
  readonly #page: Page;
  readonly #name = make("span", { class: "name" });
  readonly #low = make("span", { class: "figure" });
  readonly #high = make("span", { class: "figure" });
  readonly #bar = make("canvas", { width: String(COLOUR_STEPS), height: "1", "aria-hidden": "true" });
  readonly #meaning = make("span", { class: "meaning" });
  readonly #orders = make("span", { class: "orders", title: ORDERS_MEAN }, ORDERS);
  #drawn = "";

  constructor(page: Page) {
    this.#page = page;
    byId("colours", HTMLElement).append(this.#name, this.#low, this.#bar, this.#high, this.#meaning, this.#orders);
  }

  update(): void {
    this.#orders.hidden = this.#page.session.config?.evaluation.fill !== "queue";
    const { field, palette } = this.#page;
    const range = this.#page.range;
    setText(this.#name, field.label);
    setText(this.#low, field.kind === "sequential" ? "0" : `${field.low} ${significant(range)}`);
    setText(this.#high, `${significant(range)} ${field.high}`);
    setText(this.#meaning, field.meaning);
    const wanted = `${field.kind} ${palette.theme}`;
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    const picture = new ImageData(COLOUR_STEPS, 1);
    picture.data.set(colourTable(field.kind, palette.theme));
    this.#bar.getContext("2d")?.putImageData(picture, 0, 0);
  }
}
