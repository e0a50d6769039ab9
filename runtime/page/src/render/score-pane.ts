import { compact } from "../model/format";
import { type Rect, valueMarks, xOf } from "../model/scales";
import { clipsOf, scoreLimitOf } from "../model/score-scale";
import { clamp, type Pixels } from "../model/units";
import { drawTriangle, shownFires } from "./fire-marks";
import { rivalColour } from "./palette";
import { traceSteps } from "./price-lines";
import { font, type Scene, shownBins } from "./scene";

const MARKS = 2;

/**
 * The scores under the map. All models share one axis, that of the champion: the others are scaled so that their own
 * threshold lies at the champion's, since only in relation to it do scores of different signals compare.
 */
export function drawScores(context: CanvasRenderingContext2D, scene: Scene): void {
  const limit = scoreLimit(scene);
  const { store, rivals, shadow, palette, layout } = scene;
  drawUnready(context, scene);
  drawThresholds(context, scene, limit);
  const thin = Math.max(1, layout.unit / 10);
  const own = scene.threshold(scene.champion) ?? 1;
  if (!scene.hidden.has("challengers")) {
    rivals.forEach(({ threshold }, i) => {
      const value = (slot: number) => (store.challengerScore[slot * rivals.length + i] as number) * (own / threshold);
      strokeScore(context, scene, limit, value, rivalColour(palette, i), thin);
    });
  }
  if (shadow !== null) {
    context.setLineDash([layout.unit / 3, layout.unit / 4]);
    const value = (slot: number) => (store.shadowScore[slot] as number) * (own / shadow.threshold);
    strokeScore(context, scene, limit, value, palette.projection, thin);
    context.setLineDash([]);
  }
  strokeScore(context, scene, limit, (slot) => store.score[slot] as number, palette.accent, thin * 1.6);
  drawClips(context, scene, limit);
  if (scene.hidden.has("fires")) return;
  for (const fire of shownFires(scene)) {
    const y = scoreY(fire.score, limit, layout.score);
    drawTriangle(context, scene, fire, xOf(fire.seq + 1, scene.view, layout.score), y);
  }
}

/** The value at the upper edge of the pane, its negative being at the lower one. */
export function scoreLimit(scene: Scene): number {
  return scoreLimitOf(scene.store, ...shownBins(scene), scene.threshold(scene.champion));
}

/** Where a score is cut off the edge is drawn thick, with a tip that points to where the rest of it lies. */
function drawClips(context: CanvasRenderingContext2D, scene: Scene, limit: number): void {
  const { store, view, layout, palette } = scene;
  const { score, unit } = layout;
  context.fillStyle = palette.accent;
  const thick = Math.max(2, Math.round(unit / 4));
  let lastTip = Number.NEGATIVE_INFINITY;
  for (const { from, to, side } of clipsOf(store, ...shownBins(scene), limit)) {
    const [left, right] = [xOf(from, view, score), xOf(to + 1, view, score)];
    const edge = side > 0 ? score.y : score.y + score.height;
    context.fillRect(left, side > 0 ? edge : edge - thick, Math.max(1, right - left), thick);
    const x = (left + right) / 2;
    if (x - lastTip < unit) continue;
    lastTip = x;
    context.beginPath();
    context.moveTo(x, edge + side * thick);
    context.lineTo(x - unit * 0.45, edge + side * (thick + unit * 0.5));
    context.lineTo(x + unit * 0.45, edge + side * (thick + unit * 0.5));
    context.fill();
  }
}

export function scoreY(value: number, limit: number, rect: Rect): Pixels {
  return rect.y + (0.5 - clamp(value, -limit, limit) / (2 * limit)) * rect.height;
}

export function scoreAtY(y: Pixels, limit: number, rect: Rect): number {
  return (0.5 - (y - rect.y) / rect.height) * 2 * limit;
}

function strokeScore(
  context: CanvasRenderingContext2D,
  scene: Scene,
  limit: number,
  value: (slot: number) => number,
  colour: string,
  width: Pixels,
): void {
  context.beginPath();
  traceSteps(context, scene, (slot) => scoreY(value(slot), limit, scene.layout.score));
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

/** The thresholds of each version over the bins in which it spoke. */
function drawThresholds(context: CanvasRenderingContext2D, scene: Scene, limit: number): void {
  const { store, view, layout, palette } = scene;
  const { score, unit } = layout;
  context.fillStyle = palette.rule;
  context.fillRect(score.x, Math.round(scoreY(0, limit, score)), score.width, 1);
  context.strokeStyle = palette.muted;
  context.lineWidth = Math.max(1, unit / 14);
  context.setLineDash([unit / 3, unit / 3]);
  store.versions.forEach(({ seq, version }, i) => {
    const threshold = scene.threshold(version);
    const end = store.versions[i + 1]?.seq ?? view.right;
    if (threshold === null || end < view.right - view.bins) return;
    for (const value of [threshold, -threshold]) {
      const y = Math.round(scoreY(value, limit, score)) + 0.5;
      context.beginPath();
      context.moveTo(Math.max(score.x, xOf(seq, view, score)), y);
      context.lineTo(xOf(end, view, score), y);
      context.stroke();
    }
  });
  context.setLineDash([]);
}

/** A shade where the model did not speak: warming up, or no valid book. */
function drawUnready(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, view, layout, palette } = scene;
  const [from, to] = shownBins(scene);
  context.fillStyle = palette.rule;
  context.globalAlpha = 0.6;
  let start = -1;
  for (let seq = from; seq <= to + 1; seq++) {
    const slot = seq > to ? -1 : store.slot(seq);
    const isUnready = slot >= 0 && (store.ready[slot] === 0 || store.bookValid[slot] === 0);
    if (isUnready && start < 0) start = seq;
    if (isUnready || start < 0) continue;
    const x = xOf(start, view, layout.score);
    context.fillRect(x, layout.score.y, xOf(seq, view, layout.score) - x, layout.score.height);
    start = -1;
  }
  context.globalAlpha = 1;
}

/** Values beside the pane, the threshold among them, and which line is whose. */
export function drawScoreAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette } = scene;
  const { score, scoreAxis, unit } = layout;
  const limit = scoreLimit(scene);
  const threshold = scene.threshold(scene.champion);
  context.font = font(scene);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const write = (value: number, colour: string, prefix = "") => {
    context.fillStyle = colour;
    context.fillText(prefix + compact(value), scoreAxis.x + unit * 0.55, scoreY(value, limit, score));
  };
  const isClear = (value: number) =>
    threshold === null ||
    [threshold, -threshold].every((each) => (Math.abs(value - each) / limit) * score.height * 0.5 > unit * 1.2);
  for (const value of valueMarks(limit * 0.92, MARKS)) if (isClear(value)) write(value, palette.muted);
  if (threshold === null) return;
  write(threshold, palette.text);
  write(-threshold, palette.text);
}

export function drawLegend(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, rivals, shadow, hidden } = scene;
  const { legend, unit } = layout;
  const lines: [string, string][] = [["champion", palette.accent]];
  if (!hidden.has("challengers")) {
    rivals.forEach(({ name, signal }, i) => {
      lines.push([name ?? signal, rivalColour(palette, i)]);
    });
  }
  if (shadow !== null) lines.push(["yours", palette.projection]);
  lines.push(["threshold", palette.muted]);
  if (clipsOf(scene.store, ...shownBins(scene), scoreLimit(scene)).length > 0) lines.push(["cut off", palette.accent]);
  context.font = font(scene, 0.92);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const height = Math.min(unit * 1.35, legend.height / (lines.length + 0.5));
  lines.forEach(([text, colour], i) => {
    const y = legend.y + height * (i + 0.75);
    context.fillStyle = colour;
    const dashes = text === "threshold" ? [0, 0.55] : [0];
    for (const dash of dashes) {
      const width = unit * (dashes.length > 1 ? 0.35 : 0.9);
      const thick = Math.max(2, text === "cut off" ? unit / 3 : unit / 7);
      context.fillRect(legend.x + unit * (0.6 + dash), Math.round(y - thick / 2), width, thick);
    }
    context.fillStyle = palette.muted;
    context.fillText(text, legend.x + unit * 1.9, y, legend.width - unit * 2.2);
  });
}
