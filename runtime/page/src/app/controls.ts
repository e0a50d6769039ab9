import { FIELDS } from "../model/fields";
import { ALERTS, type Alert, CURVE_LIMITS, LAYERS, type Layer, RANGE_LIMITS } from "../model/settings";
import type { Milliseconds } from "../model/units";
import { make, setText } from "./dom";
import type { Page } from "./page";

const ZONES = ["UTC", "local", "America/Chicago", "America/New_York", "Europe/London", "Asia/Tokyo"];
const LAYER_NAMES: Record<Layer, string> = {
  quotes: "Bid, ask, mid",
  trades: "Trades",
  fires: "Fires",
  projection: "Projection",
  past: "Past projections",
  challengers: "Challengers",
  volume: "Volume",
};
const ALERT_NAMES: Record<Alert, string> = { sound: "Sound", desktop: "Desktop notice" };

/** The bar under the picture: where in time, what is shown, and how. */
export class Controls {
  readonly #page: Page;
  readonly #pause = button("Pause", "Space");
  readonly #scrub = make("input", {
    type: "range",
    min: "0",
    max: "0",
    step: "1",
    "aria-label": "Time: scrub through the buffer",
  });
  readonly #behind = make("output", { class: "figure", "aria-label": "Behind live" });
  readonly #field = make("select", { "aria-label": "Field of the map" });
  readonly #range = slider("Range of the colours", RANGE_LIMITS.low, RANGE_LIMITS.high, 0.05);
  readonly #curve = slider("Contrast of small values", CURVE_LIMITS.low, CURVE_LIMITS.high, 0.05);
  readonly #zone = make("select", { "aria-label": "Time zone" });
  readonly #layers = make("details", { class: "layers" }, make("summary", {}, "Layers"));
  readonly #boxes = new Map<Layer, HTMLInputElement>();
  readonly #alerts = make("details", { class: "layers" }, make("summary", {}, "Alerts"));
  readonly #alertBoxes = new Map<Alert, HTMLInputElement>();
  readonly #fit = button("Fit", "Fit the prices to what is quoted (A)");
  readonly #all = make("input", { type: "checkbox" });

  constructor(footer: HTMLElement, page: Page, openHelp: () => void) {
    this.#page = page;
    const back = button("\u2190", "Step a bin back (\u2190)");
    const ahead = button("\u2192", "Step a bin ahead (\u2192)");
    const theme = button("Theme", "Dark or light (T)");
    const help = button("?", "Keys and help (?)");
    this.#fillField();
    this.#fillZones();
    this.#fillLayers();
    this.#fillAlerts();
    footer.append(
      group("transport", this.#pause, back, ahead, this.#scrub, this.#behind),
      group("look", this.#field, labelled("Range", this.#range), labelled("Contrast", this.#curve)),
      group("extras", this.#fit, this.#layers, this.#alerts, this.#zone, theme, help),
    );
    this.#pause.addEventListener("click", () => page.pauseOrResume());
    back.addEventListener("click", () => page.step(-1));
    ahead.addEventListener("click", () => page.step(1));
    theme.addEventListener("click", () => page.change({ theme: page.palette.theme === "dark" ? "light" : "dark" }));
    help.addEventListener("click", openHelp);
    this.#listen();
  }

  update(): void {
    const { settings, session, head, isLive } = this.#page;
    const [first, last] = [session.store?.first ?? 0, session.store?.last ?? 0];
    setText(this.#pause, isLive ? "Pause" : "Resume");
    this.#pause.setAttribute("aria-pressed", String(!isLive));
    this.#scrub.min = String(first);
    this.#scrub.max = String(last);
    this.#scrub.value = String(head ?? last);
    const behind = last - (head ?? last);
    setText(this.#behind, behind === 0 ? "now" : behindText(behind * (session.config?.cell_width_ms ?? 0)));
    this.#fit.setAttribute("aria-pressed", String(this.#page.isFitting));
    for (const [alert, box] of this.#alertBoxes) box.checked = settings.alert.includes(alert);
    this.#alerts.classList.toggle("on", settings.alert.length > 0);
    this.#field.value = settings.field;
    this.#zone.value = settings.zone;
    this.#range.value = String(settings.range);
    this.#curve.value = String(settings.curve ?? this.#page.field.curve);
    for (const [layer, box] of this.#boxes) box.checked = !settings.hide.includes(layer);
    this.#all.checked = settings.columns === "all";
    const carried = session.carriedFields();
    for (const option of this.#field.options) option.disabled = carried.length > 0 && !carried.includes(option.value);
  }

  #fillField(): void {
    FIELDS.forEach(({ name, label, meaning }, i) => {
      this.#field.append(make("option", { value: name, title: meaning }, `${i + 1}  ${label}`));
    });
  }

  #fillZones(): void {
    const { zone } = this.#page.settings;
    for (const name of ZONES.includes(zone) ? ZONES : [...ZONES, zone]) {
      this.#zone.append(make("option", { value: name }, name === "local" ? "Local time" : name.replace("_", " ")));
    }
  }

  #fillLayers(): void {
    const menu = make("div", { class: "menu" });
    for (const layer of LAYERS) {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => this.#page.toggleLayer(layer));
      this.#boxes.set(layer, box);
      menu.append(make("label", {}, box, LAYER_NAMES[layer]));
    }
    menu.append(
      make("hr"),
      make("label", { title: "33 kB per bin instead of 7.7" }, this.#all, "All columns of a cell"),
    );
    this.#layers.append(menu);
  }

  #fillAlerts(): void {
    const menu = make("div", { class: "menu" }, make("p", { class: "note" }, "When the champion fires"));
    for (const alert of ALERTS) {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => this.#page.toggleAlert(alert));
      this.#alertBoxes.set(alert, box);
      menu.append(make("label", {}, box, ALERT_NAMES[alert]));
    }
    this.#alerts.append(menu);
  }

  #listen(): void {
    const page = this.#page;
    this.#fit.addEventListener("click", () => page.fitOrFix());
    closeWithoutFocus(this.#layers);
    closeWithoutFocus(this.#alerts);
    const value = (input: HTMLInputElement) => Number(input.value);
    this.#scrub.addEventListener("input", () => page.goTo(value(this.#scrub)));
    this.#field.addEventListener("change", () => page.change({ field: this.#field.value, curve: null }));
    this.#range.addEventListener("input", () => page.change({ range: value(this.#range) }));
    this.#curve.addEventListener("input", () => page.setCurve(value(this.#curve)));
    this.#zone.addEventListener("change", () => page.change({ zone: this.#zone.value }));
    this.#all.addEventListener("change", () => page.change({ columns: this.#all.checked ? "all" : "shown" }));
  }
}

/** How far a bin lies behind the newest one, in the units that people use. */
function behindText(ms: Milliseconds): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `\u2212${seconds.toFixed(1)} s`;
  return `\u2212${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min`;
}

/** A menu that stays open covers the map: it closes once something else is used. */
function closeWithoutFocus(menu: HTMLDetailsElement): void {
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !menu.contains(target)) menu.open = false;
  });
  menu.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") menu.open = false;
  });
}

function button(text: string, title: string): HTMLButtonElement {
  return make("button", { type: "button", title }, text);
}

function slider(label: string, least: number, most: number, step: number): HTMLInputElement {
  const limits = { min: String(least), max: String(most), step: String(step) };
  return make("input", { type: "range", ...limits, "aria-label": label, title: label });
}

function labelled(text: string, input: HTMLInputElement): HTMLLabelElement {
  return make("label", { class: "slider" }, make("span", {}, text), input);
}

function group(name: string, ...children: HTMLElement[]): HTMLDivElement {
  return make("div", { class: `group ${name}` }, ...children);
}
