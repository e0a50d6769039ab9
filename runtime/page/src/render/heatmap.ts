import { CanvasHeatmap } from "./canvas-heatmap";
import { GlHeatmap } from "./gl-heatmap";
import type { Scene } from "./scene";

/** Draws the cells of a scene on a canvas of its own, the map's size. */
export interface Heatmap {
  readonly kind: "webgl2" | "canvas";
  /** The most bins that it can keep; a store must not have more. */
  readonly mostBins: number;
  draw(scene: Scene): void;
}

/** Return the fast heatmap, or the plain one where the browser has no WebGL2 or it is not wanted. */
export function createHeatmap(canvas: HTMLCanvasElement, wantsPlain = false): Heatmap {
  const gl = wantsPlain ? null : canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
  return gl === null ? new CanvasHeatmap(canvas) : new GlHeatmap(canvas, gl);
}
