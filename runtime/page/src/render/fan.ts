import { type FanPoint, fanOf, pastFans } from "../model/projection";
import { xOf, yOf } from "../model/scales";
import type { Scene } from "./scene";

const PAST_DISTANCE_UNITS = 2;
const BAND_ALPHA = [0.16, 0.26] as const;

/** What is projected from now on: the bands of its quantiles and the median, at the horizons. */
export function drawProjection(context: CanvasRenderingContext2D, scene: Scene): void {
  const fan = fanOf(scene.store, scene.head);
  if (fan.length > 0) drawFan(context, scene, fan, 1);
}

/** What was projected before, faint, to be compared with what came. */
export function drawPastProjections(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, view, layout, head } = scene;
  const shape = store.projectionShape;
  if (shape === null) return;
  const leastBins = (PAST_DISTANCE_UNITS * layout.unit * view.bins) / layout.map.width;
  for (const seq of pastFans(shape, view.right - view.bins, Math.min(view.right, head), leastBins)) {
    const fan = fanOf(store, seq);
    if (fan.length > 0) drawFan(context, scene, fan, 0.45);
  }
}

function drawFan(context: CanvasRenderingContext2D, scene: Scene, fan: readonly FanPoint[], strength: number): void {
  const { view, layout, palette } = scene;
  // A bin's projection begins at its end: the mid that it starts from is that of the whole bin.
  const x = (point: FanPoint) => xOf(point.seq + 1, view, layout.map);
  const y = (tick: number) => yOf(tick, view, layout.map);
  context.fillStyle = palette.projection;
  context.strokeStyle = palette.projection;
  for (let band = 0; band < (fan[0]?.bands.length ?? 0); band++) {
    context.beginPath();
    for (const point of fan) context.lineTo(x(point), y(point.bands[band]?.[1] ?? point.median));
    for (const point of fan.toReversed()) context.lineTo(x(point), y(point.bands[band]?.[0] ?? point.median));
    context.closePath();
    context.globalAlpha = strength * (BAND_ALPHA[band] ?? 0.3);
    context.fill();
    context.globalAlpha = strength * 0.5;
    context.lineWidth = Math.max(1, layout.unit / 16);
    context.stroke();
  }
  context.beginPath();
  for (const point of fan) context.lineTo(x(point), y(point.median));
  context.globalAlpha = strength;
  context.lineWidth = Math.max(1, layout.unit / 8);
  context.stroke();
  context.globalAlpha = 1;
}
