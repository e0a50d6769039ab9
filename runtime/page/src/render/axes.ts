import { fixed, priceDecimals } from "../model/format";
import { priceMarks, type Rect, xOf, yOf } from "../model/scales";
import { clockChange, timeMarks } from "../model/time-axis";
import type { Milliseconds, Seq } from "../model/units";
import { latestPrints } from "../model/volume";
import { font, type Scene, shownBins } from "./scene";
import { tag } from "./surface";

const PRICE_DISTANCE_UNITS = 2.6;
const TIME_DISTANCE_UNITS = 6.5;

/** Prices beside the map, with the mid of now on a tag. */
export function drawPriceAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, layout, palette, tickSize, store, head } = scene;
  const { priceAxis, map, unit } = layout;
  const decimals = priceDecimals(tickSize);
  const slot = store.slot(head);
  const mid = slot < 0 ? Number.NaN : store.midTicks(slot);
  const midY = yOf(mid, view, map);
  context.font = font(scene);
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const tick of priceMarks(view, map, tickSize, PRICE_DISTANCE_UNITS * unit)) {
    const y = Math.round(yOf(tick, view, map)) + 0.5;
    // A label that the tag of the mid would cut in two is left out.
    if (y < unit * 0.6 || y > map.height - unit * 0.6 || Math.abs(y - midY) < unit * 1.3) continue;
    context.fillStyle = palette.rule;
    context.fillRect(priceAxis.x, y - 0.5, unit * 0.3, 1);
    context.fillStyle = palette.muted;
    context.fillText(fixed(tick * tickSize, decimals), priceAxis.x + unit * 0.55, y);
  }
  drawLastTrade(context, scene);
  if (!(midY > 0 && midY < map.height)) return;
  context.font = font(scene, 1, 600);
  // A mid may lie between two ticks, and between two prices that need one decimal more.
  const text = fixed(mid * tickSize, priceDecimals(tickSize / 2));
  tag(context, tagRect(priceAxis, midY, unit), text, palette.mid, palette.paper);
}

/** The last execution beside the prices: a tip at its price, in the colour of who took it, and its size. */
function drawLastTrade(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, view, store, head, palette } = scene;
  const { priceAxis, map, unit } = layout;
  const last = latestPrints(store, head, 1)[0];
  if (last === undefined) return;
  const y = yOf(store.ticks(last.price), view, map);
  if (!(y > 0 && y < map.height)) return;
  context.fillStyle = last.taker === "buyer" ? palette.bid : palette.ask;
  context.beginPath();
  context.moveTo(priceAxis.x - unit * 0.1, y);
  context.lineTo(priceAxis.x - unit * 0.7, y - unit * 0.45);
  context.lineTo(priceAxis.x - unit * 0.7, y + unit * 0.45);
  context.fill();
}

export function tagRect(axis: Rect, y: number, unit: number): Rect {
  return { x: axis.x + 1, y: Math.round(y - unit * 0.75), width: axis.width - 2, height: Math.round(unit * 1.5) };
}

/** Round times under the score, with rules through the score pane. */
export function drawTimeAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, layout, palette, clock, cellWidthMs } = scene;
  const { timeAxis, map, score, unit } = layout;
  const ends = shownTimes(scene);
  if (ends === null) return;
  const [left, right] = ends;
  const count = Math.max(1, Math.floor(map.width / (TIME_DISTANCE_UNITS * unit)));
  context.font = font(scene);
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (const { time, label } of timeMarks(left, right, count, clock)) {
    const x = Math.round(map.x + ((time - left) / (right - left)) * map.width) + 0.5;
    context.fillStyle = palette.rule;
    context.fillRect(x - 0.5, score.y, 1, timeAxis.y - score.y + unit * 0.3);
    context.fillStyle = palette.muted;
    const half = context.measureText(label).width / 2;
    if (x - half > map.x && x + half < map.x + map.width) context.fillText(label, x, timeAxis.y + timeAxis.height / 2);
  }
  const place = timeAxis.x + timeAxis.width + unit * 0.5;
  context.textAlign = "left";
  const at = store.timeOf(scene.head, cellWidthMs) ?? 0;
  context.fillText(`${clock.date(at)} ${clock.name(at)}`, place, timeAxis.y + timeAxis.height / 2);
}

/** The times at the edges of the map; null where no bin is here. */
function shownTimes({ store, view, cellWidthMs }: Scene): readonly [Milliseconds, Milliseconds] | null {
  const left = store.timeOf(Math.floor(view.right - view.bins), cellWidthMs);
  const right = store.timeOf(Math.ceil(view.right), cellWidthMs);
  return left === null || right === null ? null : [left, right];
}

/** A line where the clocks of the zone are changed, with how: labels left of it and right of it do not go on. */
export function drawClockChange(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, clock } = scene;
  const { map, score, timeAxis, unit } = layout;
  const ends = shownTimes(scene);
  const change = ends === null ? null : clockChange(...ends, clock);
  if (ends === null || change === null) return;
  const [left, right] = ends;
  const x = Math.round(map.x + ((change.time - left) / (right - left)) * map.width);
  context.fillStyle = palette.warning;
  context.fillRect(x, map.y, Math.max(1, Math.round(unit / 10)), map.height);
  context.fillRect(x, score.y, Math.max(1, Math.round(unit / 10)), timeAxis.y - score.y);
  context.font = font(scene, 0.92, 600);
  const width = Math.round(context.measureText(change.label).width + unit);
  const place = Math.round(Math.min(Math.max(0, x - width / 2), timeAxis.width - width));
  const rect = { x: place, y: timeAxis.y + 1, width, height: timeAxis.height - 2 };
  tag(context, rect, change.label, palette.warning, palette.paper);
}

/** The end of the bin that a user has gone back to: what lies right of it was not known then. */
export function drawHead(context: CanvasRenderingContext2D, { store, head, view, layout, palette }: Scene): void {
  if (head === store.last) return;
  const { map, score, delta, unit } = layout;
  context.fillStyle = palette.text;
  const [x, width] = [Math.round(xOf(head + 1, view, map)), Math.max(1, Math.round(unit / 12))];
  for (const pane of [map, score, delta]) if (x < map.width) context.fillRect(x, pane.y, width, pane.height);
}

/** Where another version of the model began to speak: a line through map and score, and a flag with its name. */
export function drawVersions(context: CanvasRenderingContext2D, scene: Scene): void {
  for (const { seq, version } of versionMarks(scene)) drawVersion(context, scene, seq, version);
}

/** The changes of version on screen; the first version that is known is no change. */
export function versionMarks(scene: Scene): { seq: Seq; version: string }[] {
  const [from, to] = shownBins(scene);
  return scene.store.versions.slice(1).filter(({ seq }) => seq >= from && seq <= to);
}

export function versionFlag({ layout, view }: Scene, seq: Seq, width: number): Rect {
  const { unit, map, score } = layout;
  const height = Math.round(unit * 1.5);
  const x = Math.min(xOf(seq, view, map), map.x + map.width - width);
  return { x: Math.round(x), y: score.y + score.height - height, width, height };
}

function drawVersion(context: CanvasRenderingContext2D, scene: Scene, seq: Seq, version: string): void {
  const { layout, view, palette } = scene;
  const { map, score, unit } = layout;
  const x = Math.round(xOf(seq, view, map));
  context.fillStyle = palette.accent;
  context.fillRect(x, map.y, Math.max(1, Math.round(unit / 10)), map.height);
  context.fillRect(x, score.y, Math.max(1, Math.round(unit / 10)), score.height);
  context.font = font(scene, 0.9, 600);
  tag(context, versionFlag(scene, seq, flagWidth(scene, version)), version, palette.accent, palette.paper);
}

/** The width of a flag by the length of its text: hit tests need it where nothing can be measured. */
export function flagWidth({ layout }: Scene, version: string): number {
  return Math.round(layout.unit * (1 + 0.55 * version.length));
}
