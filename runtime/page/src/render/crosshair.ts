import { compact, fixed, priceDecimals } from "../model/format";
import { contains, xOf, yOf } from "../model/scales";
import { tagRect } from "./axes";
import { deltaAtY, deltaLimits, withSign } from "./delta-pane";
import { font, type Pointer, type Scene } from "./scene";
import { scoreAtY, scoreLimit } from "./score-pane";
import { tag } from "./surface";

/** The lines through the cell under the pointer, with its price and time on the axes. */
export function drawCrosshair(context: CanvasRenderingContext2D, scene: Scene, pointer: Pointer): void {
  const { layout, palette, view, tickSize } = scene;
  const { map, score, delta, priceAxis, scoreAxis, timeAxis, unit } = layout;
  const isInScore = contains(score, pointer.x, pointer.y);
  const isInDelta = contains(delta, pointer.x, pointer.y);
  const x = Math.round(xOf(pointer.seq + 0.5, view, map)) + 0.5;
  const y = isInScore || isInDelta ? pointer.y : Math.round(yOf(pointer.tick, view, map)) + 0.5;
  context.strokeStyle = palette.text;
  context.globalAlpha = 0.75;
  context.lineWidth = Math.max(1, Math.round(unit / 14));
  context.setLineDash([unit / 3, unit / 4]);
  context.beginPath();
  context.moveTo(x, map.y);
  context.lineTo(x, timeAxis.y);
  context.moveTo(map.x, y);
  context.lineTo(priceAxis.x, y);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
  context.font = font(scene, 1, 600);
  if (isInScore) {
    const value = scoreAtY(y, scoreLimit(scene), score);
    tag(context, tagRect(scoreAxis, y, unit), compact(value), palette.text, palette.paper);
  } else if (isInDelta) {
    const limits = deltaLimits(scene);
    const text = limits === null ? "" : withSign(deltaAtY(y, limits, delta));
    tag(context, tagRect(scoreAxis, y, unit), text, palette.text, palette.paper);
  } else if (y > map.y && y < map.y + map.height) {
    const price = fixed(pointer.tick * tickSize, priceDecimals(tickSize));
    tag(context, tagRect(priceAxis, y, unit), price, palette.text, palette.paper);
  }
  drawTime(context, scene, pointer, x);
}

function drawTime(context: CanvasRenderingContext2D, scene: Scene, { seq }: Pointer, x: number): void {
  const { store, layout, palette, clock, cellWidthMs } = scene;
  const { timeAxis, unit } = layout;
  const time = store.timeOf(seq, cellWidthMs);
  if (time === null) return;
  const text = clock.time(time, true);
  const width = Math.round(context.measureText(text).width + unit);
  const left = Math.min(Math.max(0, x - width / 2), timeAxis.width - width);
  const rect = { x: Math.round(left), y: timeAxis.y + 1, width, height: timeAxis.height - 2 };
  tag(context, rect, text, palette.text, palette.paper);
}
