import { columnLabel, unitText } from "../model/columns";
import { fixed, NOTHING, priceDecimals, significant } from "../model/format";
import { make, setText } from "./dom";
import type { Page } from "./page";
import { panel } from "./panels";

const PLACE_MEANS = "Price, start of the bin, and k: ticks above (+) or below (\u2212) the tick of the mid";

/** Every value of the cell under the crosshair, and of its bin. */
export class Readout {
  readonly #page: Page;
  readonly #place = make("p", { class: "place", title: PLACE_MEANS, "aria-live": "polite" });
  readonly #values = make("dl", { class: "values" });
  readonly #shown = new Map<string, { readonly value: HTMLElement; readonly unit: HTMLElement }>();

  constructor(page: Page) {
    this.#page = page;
    panel("readout", "Cell", this.#place, this.#values);
  }

  update(): void {
    const { pointer, session, clock } = this.#page;
    const { store, config } = session;
    if (store === null || config === null) return;
    this.#ensure(["mid", "score", "events", ...store.shape.columns]);
    const slot = pointer === null ? -1 : store.slot(pointer.seq);
    if (pointer === null) setText(this.#place, "Point at the map to read a cell.");
    else {
      const k = slot >= 0 && store.hasSpot(slot) ? pointer.tick - (store.spotTick[slot] as number) : null;
      const time = store.timeOf(pointer.seq, config.cell_width_ms);
      const price = fixed(pointer.tick * config.tick_size, priceDecimals(config.tick_size));
      const where = k === null ? "no bin" : `k ${k > 0 ? "+" : k < 0 ? "\u2212" : ""}${Math.abs(k)}`;
      setText(this.#place, `${price}   ${time === null ? NOTHING : clock.time(time, true)}   ${where}`);
    }
    const ofBin = (values: Float64Array) => (slot < 0 ? undefined : values[slot]);
    const mid = ofBin(store.mid);
    this.#write("mid", mid, fixed(mid, priceDecimals(config.tick_size / 2)));
    this.#write("score", ofBin(store.score));
    this.#write("events", ofBin(store.events));
    for (const name of store.shape.columns)
      this.#write(name, pointer === null || slot < 0 ? undefined : store.value(name, slot, pointer.tick));
  }

  #ensure(names: readonly string[]): void {
    if (names.length === this.#shown.size && names.every((name) => this.#shown.has(name))) return;
    this.#shown.clear();
    const pairs = names.map((name) => {
      const { label, meaning, codes } = columnLabel(name);
      const value = make("span", { class: "figure", "data-value": name }, NOTHING);
      const unit = make("span", { class: "unit" });
      this.#shown.set(name, { value, unit });
      return make(
        "div",
        { title: meaning === "" ? name : `${name}: ${meaning}`, ...(codes === undefined ? {} : { class: "wide" }) },
        make("dt", {}, label),
        make("dd", {}, value, unit),
      );
    });
    this.#values.replaceChildren(...pairs);
  }

  #write(name: string, value: number | null | undefined, text: string = significant(value)): void {
    const shown = this.#shown.get(name);
    if (shown === undefined) return;
    setText(shown.value, text);
    setText(shown.unit, unitText(columnLabel(name), value));
  }
}
