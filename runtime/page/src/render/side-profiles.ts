import { quantity } from "../model/format";
import { type Rect, yOf } from "../model/scales";
import type { Pixels, Ticks } from "../model/units";
import { volumeByPrice } from "../model/volume";
import { font, type Scene, shownBins } from "./scene";

const HEAD_UNITS = 1.6;
const ROOM_UNITS = 0.6;
const MOST_BAR_UNITS = 1.6;

/** What rests in the book at the shown bin, beside the map and on its prices: the largest fills the width. */
export function drawDepth(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, store, head } = scene;
  const { depth: rect } = layout;
  const slot = store.slot(head);
  const [bids, asks] = [store.column("bid_depth"), store.column("ask_depth")];
  let most = 0;
  if (slot >= 0 && store.hasCells(slot) && store.hasSpot(slot)) {
    most = Math.max(greatestShown(scene, bids, slot), greatestShown(scene, asks, slot));
    const values = (depth: Float64Array | undefined, k: number) => depth?.[slot * store.cellsPerBin + k] ?? 0;
    for (let k = 0; k < store.cellsPerBin && most > 0; k++) {
      const [bid, ask] = [values(bids, k), values(asks, k)];
      const tick = tickOf(scene, slot, k);
      bar(context, scene, rect, tick, 0, bid / most, palette.bid, 0.9);
      bar(context, scene, rect, tick, bid / most, ask / most, palette.ask, 0.9);
    }
  }
  drawHeading(context, scene, rect, "Depth", most);
}

/** What was executed at each price on screen, by buyers and by sellers; the price with the most of it is marked. */
export function drawVolume(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, store, view, head } = scene;
  const { volume: rect, unit } = layout;
  if (rect.width === 0) return;
  const [from, to] = shownBins(scene);
  const [lowest, highest] = [Math.floor(view.centre - view.ticks / 2), Math.ceil(view.centre + view.ticks / 2)];
  const { bought, sold, most, mostAt } = volumeByPrice(store, from, Math.min(to, head), lowest, highest);
  for (let i = 0; i < bought.length && most > 0; i++) {
    const [buyers, sellers] = [(bought[i] as number) / most, (sold[i] as number) / most];
    if (buyers + sellers === 0) continue;
    const strength = lowest + i === mostAt ? 1 : 0.72;
    bar(context, scene, rect, lowest + i, 0, buyers, palette.bid, strength);
    bar(context, scene, rect, lowest + i, buyers, sellers, palette.ask, strength);
  }
  if (mostAt !== null) {
    const y = yOf(mostAt, view, rect);
    context.fillStyle = palette.text;
    context.fillRect(rect.x + 1, y - barHeight(scene, rect) / 2, Math.max(2, unit / 6), barHeight(scene, rect));
  }
  drawHeading(context, scene, rect, "Volume", most);
}

function drawHeading(context: CanvasRenderingContext2D, scene: Scene, rect: Rect, name: string, most: number): void {
  const { palette, layout } = scene;
  const { unit } = layout;
  context.fillStyle = palette.rule;
  context.fillRect(rect.x, rect.y, 1, rect.height);
  context.fillStyle = palette.panel;
  context.fillRect(rect.x + 1, rect.y, rect.width - 1, unit * HEAD_UNITS);
  context.font = font(scene, 0.85);
  context.fillStyle = palette.muted;
  context.textAlign = "left";
  context.textBaseline = "middle";
  const y = rect.y + (unit * HEAD_UNITS) / 2;
  context.fillText(name, rect.x + unit * 0.4, y);
  context.textAlign = "right";
  const room = rect.width - unit * 1.1 - context.measureText(name).width;
  const text = most > 0 ? quantity(most) : "";
  if (context.measureText(text).width <= room) context.fillText(text, rect.x + rect.width - unit * 0.3, y);
}

/** A piece of a bar at a price, from a share of the width on. */
function bar(
  context: CanvasRenderingContext2D,
  scene: Scene,
  rect: Rect,
  tick: Ticks,
  from: number,
  share: number,
  colour: string,
  strength: number,
): void {
  if (!(share > 0)) return;
  const { view, layout } = scene;
  const height = barHeight(scene, rect);
  const y = yOf(tick, view, rect);
  if (y < rect.y - height || y > rect.y + rect.height + height) return;
  const room = rect.width - layout.unit * ROOM_UNITS;
  const [left, right] = [Math.round(room * from), Math.round(room * Math.min(from + share, 1))];
  context.fillStyle = colour;
  context.globalAlpha = strength;
  const top = Math.round(y - height / 2);
  context.fillRect(rect.x + 1 + left, top, Math.max(1, right - left), Math.max(1, Math.round(y + height / 2) - top));
  context.globalAlpha = 1;
}

/** Bars of neighbouring prices do not touch, and are no blocks where few prices are shown. */
function barHeight({ view, layout }: Scene, rect: Rect): Pixels {
  const row = rect.height / view.ticks;
  return Math.max(1, Math.min(row > 3 ? row - Math.max(1, row * 0.16) : row, MOST_BAR_UNITS * layout.unit));
}

function greatestShown(scene: Scene, depth: Float64Array | undefined, slot: number): number {
  const { store, view } = scene;
  let most = 0;
  for (let k = 0; k < store.cellsPerBin; k++) {
    const isShown = Math.abs(tickOf(scene, slot, k) - view.centre) <= view.ticks / 2;
    const value = depth?.[slot * store.cellsPerBin + k] ?? 0;
    if (isShown && value > most) most = value;
  }
  return most;
}

function tickOf({ store }: Scene, slot: number, k: number): Ticks {
  return (store.spotTick[slot] as number) + k - store.shape.radius;
}
