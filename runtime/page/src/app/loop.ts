import type { Pixels } from "../model/units";
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

/** Draws at most once a frame, and only what has changed; texts change at most ten times a second, as eyes do. */
export class Loop {
  readonly costs: FrameCosts = { frames: 0, drawMs: [] };
  #size: [Pixels, Pixels] = [1, 1];
  #scene: Scene | null = null;
  #textAt = 0;
  #isTextDue = true;

  constructor(
    readonly page: Page,
    readonly stage: Stage,
    readonly updateText: () => void,
  ) {}

  start(): void {
    requestAnimationFrame((now) => this.#frame(now));
  }

  /** A new size empties the canvases: they are drawn at once, so that nothing flickers. */
  resize(width: Pixels, height: Pixels, unit: Pixels): void {
    this.#size = [width, height];
    this.page.resize(width, height, unit);
    this.#drawAll();
    this.#drawCursor();
  }

  #frame(now: number): void {
    const { page } = this;
    const level = page.level;
    page.level = Level.None;
    if (level === Level.All) this.#drawAll();
    if (level !== Level.None) this.#drawCursor();
    this.#isTextDue ||= level !== Level.None;
    if (this.#isTextDue && now - this.#textAt >= TEXT_EVERY_MS) {
      this.#textAt = now;
      this.#isTextDue = false;
      this.updateText();
    }
    requestAnimationFrame((next) => this.#frame(next));
  }

  #drawAll(): void {
    const start = performance.now();
    this.#scene = this.page.scene();
    if (this.#scene !== null) this.stage.draw(this.#scene, ...this.#size);
    this.costs.frames += 1;
    this.costs.drawMs.push(performance.now() - start);
    if (this.costs.drawMs.length > KEPT) this.costs.drawMs.shift();
    // Drawing looked at what it needed anew; that alone is no reason to draw again.
    this.page.level = Level.None;
  }

  #drawCursor(): void {
    this.stage.drawCursor(this.#scene, this.page.pointer, ...this.#size);
    this.page.level = Level.None;
  }
}
