import { quantity } from "../model/format";
import type { Rect } from "../model/scales";
import type { Pixels } from "../model/units";
import { deltaRange } from "../model/volume";
import { traceSteps } from "./price-lines";
import { font, type Scene, shownBins } from "./scene";

const PADDING = 0.1;

/** The values at the lower and the upper edge of the pane; null where no bin is shown. */
export function deltaLimits(scene: Scene): readonly [number, number] | null {
  const [from, to] = shownBins(scene);
  const found = deltaRange(scene.store, from, to);
  if (found === null) return null;
  const [low, high] = found;
  const padding = Math.max((high - low) * PADDING, 1e-9 + Math.abs(high) * 1e-3);
  return [low - padding, high + padding];
}

export function deltaY(value: number, [low, high]: readonly [number, number], rect: Rect): Pixels {
  return rect.y + ((high - value) / (high - low)) * rect.height;
}

export function deltaAtY(y: Pixels, [low, high]: readonly [number, number], rect: Rect): number {
  return high - ((y - rect.y) / rect.height) * (high - low);
}

/**
 * The cumulative volume delta, what buyers took less what sellers took since the first bin that is kept: blue where
 * buyers are ahead, orange where sellers are.
 */
export function drawDelta(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, layout, palette } = scene;
  const { delta: rect, unit } = layout;
  const limits = deltaLimits(scene);
  if (limits === null || rect.height === 0) return;
  const zero = Math.min(Math.max(deltaY(0, limits, rect), rect.y), rect.y + rect.height);
  const y = (slot: number) => deltaY(store.cumulativeDelta[slot] as number, limits, rect);
  const halves: readonly [string, Pixels, Pixels][] = [
    [palette.bid, rect.y, zero],
    [palette.ask, zero, rect.y + rect.height],
  ];
  for (const [colour, top, bottom] of halves) {
    if (bottom - top < 0.5) continue;
    context.save();
    context.beginPath();
    context.rect(rect.x, top, rect.width, bottom - top);
    context.clip();
    context.beginPath();
    const [left, right] = traceSteps(context, scene, y) ?? [0, 0];
    context.lineTo(right, zero);
    context.lineTo(left, zero);
    context.closePath();
    context.globalAlpha = 0.22;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.beginPath();
    traceSteps(context, scene, y);
    context.lineWidth = Math.max(1, unit / 8);
    context.strokeStyle = colour;
    context.stroke();
    context.restore();
  }
  context.fillStyle = palette.rule;
  context.fillRect(rect.x, Math.round(zero), rect.width, 1);
}

/** What the pane shows, its value at the shown bin, and the ends of its axis. */
export function drawDeltaAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, layout, palette, head } = scene;
  const { deltaAxis: rect, delta, scoreAxis, unit } = layout;
  const limits = deltaLimits(scene);
  const slot = store.slot(head);
  if (limits === null || rect.height === 0 || slot < 0) return;
  const value = store.cumulativeDelta[slot] as number;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.font = font(scene, 0.92);
  context.fillStyle = palette.muted;
  context.fillText("Volume delta", rect.x + unit * 0.6, rect.y + unit * 0.8, scoreAxis.x - rect.x - unit);
  context.font = font(scene, 1, 600);
  context.fillStyle = value === 0 ? palette.text : value > 0 ? palette.bid : palette.ask;
  context.fillText(withSign(value), rect.x + unit * 0.6, rect.y + unit * 2.1, scoreAxis.x - rect.x - unit);
  context.font = font(scene, 0.9);
  context.fillStyle = palette.muted;
  const [low, high] = deltaRange(store, ...shownBins(scene)) ?? [0, 0];
  for (const each of low === high ? [high] : [low, high]) {
    const y = Math.min(
      Math.max(deltaY(each, limits, delta), delta.y + unit * 0.5),
      delta.y + delta.height - unit * 0.5,
    );
    context.fillText(withSign(each), scoreAxis.x + unit * 0.55, y, scoreAxis.width - unit * 0.7);
  }
}

export function withSign(value: number): string {
  return value > 0 ? `+${quantity(value)}` : quantity(value);
}
