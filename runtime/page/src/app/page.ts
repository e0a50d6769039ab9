import type { BinStore } from "../model/bin-store";
import { automaticRange, FIELDS, type Field, fieldNamed } from "../model/fields";
import { type Layout, layoutOf } from "../model/layout";
import { fitPrice, quotedRange } from "../model/price-fit";
import { seqAtX, ticksAtY, xOf, yOf } from "../model/scales";
import { headOf, type Session } from "../model/session";
import { type Alert, CURVE_LIMITS, type Layer, RANGE_LIMITS, type Settings } from "../model/settings";
import { Clock } from "../model/time-axis";
import { clamp, type Pixels, type Seq, type Ticks } from "../model/units";
import { backToLive, follow, pan, startView, type View, within, zoomPrice, zoomTime } from "../model/view";
import type { Palette } from "../render/palette";
import type { Pointer, Scene } from "../render/scene";
import { applyTheme } from "./theme";

const RANGE_EVERY_MS = 1000;

/** How much has to be drawn anew. */
export enum Level {
  None = 0,
  Text = 1,
  Cursor = 2,
  All = 3,
}

/** What is on screen and what a user does to it: every control and key ends in one of these methods. */
export class Page {
  settings: Settings;
  view: View;
  /** The bin that a user has gone back to; null: the newest. */
  playhead: Seq | null = null;
  pointer: Pointer | null = null;
  layout: Layout;
  palette: Palette;
  clock: Clock;
  level = Level.All;
  /** Called when there is something to draw. */
  invalidated: () => void = () => {};
  #size: [Pixels, Pixels, Pixels] = [1, 1, 1];
  #seen: BinStore | null = null;
  #range = { at: 0, name: "", value: 1, revision: -1 };
  #rangeTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    settings: Settings,
    readonly session: Session,
    readonly settingsChanged: (before: Settings) => void,
  ) {
    this.settings = settings;
    this.view = startView(settings.bins, settings.ticks);
    this.layout = layoutOf(1, 1, 1);
    this.palette = applyTheme(settings.theme);
    this.clock = new Clock(settings.zone);
  }

  get field(): Field {
    return fieldNamed(this.settings.field);
  }

  get head(): Seq | null {
    return headOf(this.session.store, this.playhead);
  }

  get isLive(): boolean {
    return this.playhead === null;
  }

  /** Whether the newest bin is what is shown, at its usual place. */
  get isFollowing(): boolean {
    return this.isLive && this.view.followsTime && this.view.followsPrice;
  }

  invalidate(level: Level): void {
    this.level = Math.max(this.level, level);
    this.invalidated();
  }

  /**
   * Take the size of the stage, in pixels of the screen that the window is on. The crosshair stays at its cell: where
   * that lies on the glass is another place now.
   */
  resize(width: Pixels, height: Pixels, unit: Pixels): void {
    this.#size = [width, height, unit];
    this.#layOut();
    this.invalidate(Level.All);
  }

  #layOut(): void {
    const { pointer, view } = this;
    this.layout = layoutOf(...this.#size, !this.settings.hide.includes("volume"));
    if (pointer === null) return;
    const { map } = this.layout;
    this.pointer = { ...pointer, x: xOf(pointer.seq + 0.5, view, map), y: yOf(pointer.tick, view, map) };
  }

  /** Return what is to be drawn; null where no bin has come yet. */
  scene(): Scene | null {
    const { session, settings, head } = this;
    const { store, config } = session;
    if (store === null || config === null || head === null) return null;
    if (store !== this.#seen) {
      this.#beginWith(store);
      return this.scene();
    }
    this.#followHead(head);
    this.#updateRange(store);
    return {
      store,
      view: this.view,
      head,
      layout: this.layout,
      palette: this.palette,
      clock: this.clock,
      tickSize: config.tick_size,
      cellWidthMs: config.cell_width_ms,
      field: this.field,
      range: this.range,
      curve: settings.curve ?? this.field.curve,
      fires: session.fires.all,
      threshold: (version) => session.threshold(version),
      champion: config.model.version,
      rivals: config.challengers,
      shadow: config.shadow,
      hidden: new Set(settings.hide),
    };
  }

  /** The value at the end of the colours in the picture: the field's own, or found in the picture; times the user's factor. */
  get range(): number {
    return this.#range.value * this.settings.range;
  }

  /** Whether the range of the colours was found in the bins that there are now. */
  get isRangeCurrent(): boolean {
    return this.#rangeTimer === null;
  }

  /** Find the range anew once a second at most; a picture of newer bins drawn meanwhile is drawn again when it is due. */
  #updateRange(store: BinStore): void {
    const { field, view } = this;
    const [name, now] = [`${field.name} ${view.bins}`, performance.now()];
    const wait = name === this.#range.name ? this.#range.at + RANGE_EVERY_MS - now : 0;
    if (wait > 0) {
      if (store.revision !== this.#range.revision) this.#rangeTimer ??= setTimeout(() => this.#redrawRange(), wait);
      return;
    }
    const [from, to] = [Math.floor(view.right - view.bins), Math.min(Math.ceil(view.right), store.last ?? 0)];
    const value = field.range ?? automaticRange(field, store, Math.max(from, store.first ?? 0), to);
    this.#range = { at: now, name, value, revision: store.revision };
  }

  #redrawRange(): void {
    this.#rangeTimer = null;
    this.invalidate(Level.All);
  }

  change(changes: Partial<Settings>): void {
    const before = this.settings;
    this.settings = { ...before, ...changes };
    if (this.settings.theme !== before.theme) this.palette = applyTheme(this.settings.theme);
    if (this.settings.zone !== before.zone) this.clock = new Clock(this.settings.zone);
    if (this.settings.hide !== before.hide) this.#layOut();
    this.settingsChanged(before);
    this.invalidate(Level.All);
  }

  retheme(): void {
    this.palette = applyTheme(this.settings.theme);
    this.invalidate(Level.All);
  }

  cycleField(by: number): void {
    const index = FIELDS.findIndex((field) => field.name === this.settings.field);
    this.change({ field: (FIELDS[(index + by + FIELDS.length) % FIELDS.length] as Field).name, curve: null });
  }

  scaleRange(factor: number): void {
    this.change({ range: round(clamp(this.settings.range * factor, RANGE_LIMITS.low, RANGE_LIMITS.high)) });
  }

  setCurve(curve: number): void {
    this.change({ curve: round(clamp(curve, CURVE_LIMITS.low, CURVE_LIMITS.high)) });
  }

  toggleLayer(layer: Layer): void {
    const { hide } = this.settings;
    this.change({ hide: hide.includes(layer) ? hide.filter((each) => each !== layer) : [...hide, layer] });
  }

  toggleAlert(alert: Alert): void {
    const { alert: chosen } = this.settings;
    this.change({ alert: chosen.includes(alert) ? chosen.filter((each) => each !== alert) : [...chosen, alert] });
  }

  /** Let prices follow what is quoted, from now on; or leave them as they are. */
  fitOrFix(): void {
    if (this.isFitting) {
      this.change({ price: "fixed", ticks: Math.round(this.view.ticks) });
      return;
    }
    this.view = { ...this.view, followsPrice: true };
    this.change({ price: "fit" });
  }

  get isFitting(): boolean {
    return this.settings.price === "fit" && this.view.followsPrice;
  }

  pauseOrResume(): void {
    this.goTo(this.isLive ? this.head : null);
  }

  /** Stand at a bin; null: go on with the newest. */
  goTo(seq: Seq | null): void {
    const { store } = this.session;
    this.playhead = seq === null ? null : headOf(store, Math.round(seq));
    this.view = { ...this.view, followsTime: true };
    this.invalidate(Level.All);
  }

  step(bins: number): void {
    const { head } = this;
    if (head !== null) this.goTo(head + bins);
  }

  backToLive(): void {
    this.playhead = null;
    this.view = backToLive(this.view);
    this.invalidate(Level.All);
  }

  /** Zoom around a place on the map; around now, and around the middle, where none is given. */
  zoom(timeFactor: number, priceFactor: number, x?: Pixels, y?: Pixels): void {
    const { map } = this.layout;
    const seq = x === undefined ? (this.head ?? this.view.right) : seqAtX(x, this.view, map);
    const tick = y === undefined ? this.view.centre : ticksAtY(y, this.view, map);
    this.#show(zoomPrice(zoomTime(this.view, timeFactor, seq), priceFactor, tick));
    const [bins, ticks] = [Math.round(this.view.bins), Math.round(this.view.ticks)];
    this.change(priceFactor === 1 && this.isFitting ? { bins } : { bins, ticks, price: "fixed" });
  }

  /** Move by pixels, as a hand moves paper. */
  drag(dx: Pixels, dy: Pixels): void {
    const { map } = this.layout;
    this.#show(pan(this.view, (-dx * this.view.bins) / map.width, (dy * this.view.ticks) / map.height));
  }

  panPrice(ticks: Ticks): void {
    this.#show(pan(this.view, 0, ticks));
  }

  pointAt(x: Pixels, y: Pixels): void {
    const { map } = this.layout;
    const [seq, tick] = [Math.floor(seqAtX(x, this.view, map)), Math.round(ticksAtY(y, this.view, map))];
    this.pointer = { x, y, seq, tick };
    this.invalidate(Level.Cursor);
  }

  pointNowhere(): void {
    this.pointer = null;
    this.invalidate(Level.Cursor);
  }

  /** Another stream counts its bins otherwise: what was looked at is not there. */
  #beginWith(store: BinStore): void {
    const isFirst = this.#seen === null;
    this.#seen = store;
    if (!isFirst) this.backToLive();
  }

  #show(view: View): void {
    const { store } = this.session;
    const [first, last] = [store?.first ?? 0, store?.last ?? 0];
    this.view = within(view, first, last, this.#binsAhead());
    this.invalidate(Level.All);
  }

  #binsAhead(): number {
    return this.settings.hide.includes("projection") ? 0 : (this.session.config?.projection?.horizons_bins.at(-1) ?? 0);
  }

  #fitPrice(store: BinStore, head: Seq): void {
    const from = Math.max(Math.floor(this.view.right - this.view.bins), store.first ?? 0);
    const quoted = quotedRange(store, from, Math.min(Math.ceil(this.view.right), head));
    if (quoted !== null) this.view = fitPrice(this.view, quoted);
  }

  #followHead(head: Seq): void {
    const { store } = this.session;
    const slot = store?.slot(head) ?? -1;
    const spot = store !== null && slot >= 0 && store.hasSpot(slot) ? (store.spotTick[slot] as number) : null;
    const followed = this.isFitting ? null : spot;
    this.view = follow(this.view, head, followed, this.#binsAhead(), this.layout.map.width);
    if (this.isFitting && store !== null) this.#fitPrice(store, head);
    // A pointer that rests stays at its place on the glass, while the cells move on under it.
    if (this.pointer !== null) this.pointAt(this.pointer.x, this.pointer.y);
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
