import type { BinStore } from "../model/bin-store";
import type { Pixels, Seq } from "../model/units";
import type { Scene } from "../render/scene";
import type { Stage } from "../render/stage";
import { Level, type Page } from "./page";

/** What the last frames cost. */
export interface FrameCosts {
  frames: number;
  /** Milliseconds of this page's own work, the last 600 frames that drew all. */
  readonly drawMs: number[];
}

const KEPT = 600;
const TEXT_EVERY_MS = 100;

/**
 * Draws at most once a frame, and only what has changed. Texts belong to the bin of the picture: they change with it, in
 * the same frame, and else at most ten times a second.
 */
export class Loop {
  readonly costs: FrameCosts = { frames: 0, drawMs: [] };
  #size: [Pixels, Pixels] = [1, 1];
  #scene: Scene | null = null;
  #textAt = 0;
  #isScheduled = false;
  #toldHead: Seq | null = null;
  #toldStore: BinStore | null = null;

  constructor(
    readonly page: Page,
    readonly stage: Stage,
    readonly updateText: () => void,
  ) {
    page.invalidated = () => this.#schedule();
  }

  /** The bin that the picture shows as now; null before the first picture. */
  get drawnHead(): Seq | null {
    return this.#scene?.head ?? null;
  }

  /** A new size empties the canvases: they are drawn at once, so that nothing flickers. */
  resize(width: Pixels, height: Pixels, unit: Pixels): void {
    this.#size = [width, height];
    this.page.resize(width, height, unit);
    this.#drawAll();
    this.#drawCursor();
  }

  /** A page that nobody looks at and to which nothing comes costs nothing. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now: number): void {
    const { page } = this;
    const level = page.level;
    page.level = Level.None;
    this.#isScheduled = true;
    if (level === Level.All) this.#drawAll();
    if (level >= Level.Cursor) this.#drawCursor();
    const wait = this.#textAt + TEXT_EVERY_MS - now;
    const isOtherBin =
      this.#scene !== null && (this.#scene.head !== this.#toldHead || this.#scene.store !== this.#toldStore);
    if (wait <= 0 || isOtherBin) {
      this.#textAt = now;
      this.#toldHead = this.#scene?.head ?? null;
      this.#toldStore = this.#scene?.store ?? null;
      this.updateText();
    } else if (level !== Level.None) setTimeout(() => this.page.invalidate(Level.Text), wait);
    this.#isScheduled = false;
    if (page.level !== Level.None) this.#schedule();
  }

  #drawAll(): void {
    const start = performance.now();
    this.#scene = this.page.scene();
    if (this.#scene !== null) this.stage.draw(this.#scene, ...this.#size);
    this.costs.frames += 1;
    this.costs.drawMs.push(performance.now() - start);
    if (this.costs.drawMs.length > KEPT) this.costs.drawMs.shift();
    // A crosshair that found its cell anew is drawn next; that is no reason to draw all again.
    this.page.level = Level.None;
  }

  #drawCursor(): void {
    this.stage.drawCursor(this.#scene, this.page.pointer, ...this.#size);
    this.page.level = Level.None;
  }
}
