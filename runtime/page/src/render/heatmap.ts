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

/** What is drawn stays, so that a new bin draws its own pixels alone. */
const OPTIONS: WebGLContextAttributes = { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true };

/**
 * Return the heatmap that is wanted; else the one in WebGL2, or the plain one where the browser has no WebGL2 or only
 * imitates it: on a processor a plain canvas is several times as fast.
 */
export function createHeatmap(canvas: HTMLCanvasElement, wanted: Heatmap["kind"] | null): Heatmap {
  const kind = wanted ?? (hasHardware() ? "webgl2" : "canvas");
  const gl = kind === "canvas" ? null : canvas.getContext("webgl2", OPTIONS);
  return gl === null ? new CanvasHeatmap(canvas) : new GlHeatmap(canvas, gl);
}

const IMITATIONS = /swiftshader|llvmpipe|softpipe|software|basic render/i;

function hasHardware(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (gl === null) return false;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !IMITATIONS.test(name);
}
