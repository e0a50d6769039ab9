import { quantity } from "../model/format";
import { xOf, yOf } from "../model/scales";
import type { Pixels, Ticks } from "../model/units";
import { type Taker, takerOf } from "../model/volume";
import { font, type Scene, shownBins } from "./scene";

const TRADE_BUCKET_UNITS = 0.7;
const TRADE_RADIUS_UNITS = 0.95;
const LEAST_RADIUS_UNITS = 0.13;
/** By area, as discs are read, and a little more: what is large has to stand out of what is common. */
const TRADE_POWER = 0.62;
/** From this radius on there is room for the size itself. */
const LABEL_RADIUS_UNITS = 0.72;
const MOST_LABELS = 12;

/** Best bid and best ask over the map: steps, as prices move in steps. */
export function drawQuotes(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, palette, layout } = scene;
  const thin = Math.max(1, layout.unit / 10);
  for (const [prices, colour] of [[store.bestAsk, palette.ask] as const, [store.bestBid, palette.bid] as const]) {
    strokeLine(context, scene, prices, palette.halo, thin * 2.4);
    strokeLine(context, scene, prices, colour, thin * 1.2);
  }
}

/** The mid, over all that is traded at both sides of it. */
export function drawMid(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, palette, layout } = scene;
  const thin = Math.max(1, layout.unit / 10);
  strokeLine(context, scene, store.mid, palette.halo, thin * 4);
  strokeLine(context, scene, store.mid, palette.mid, thin * 2);
}

function strokeLine(
  context: CanvasRenderingContext2D,
  scene: Scene,
  prices: Float64Array,
  colour: string,
  width: Pixels,
): void {
  const { store, view, layout } = scene;
  const { map } = layout;
  context.beginPath();
  traceSteps(context, scene, (slot) => yOf(store.ticks(prices[slot] as number), view, map));
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.stroke();
}

/**
 * Trace a value of each bin as steps; where several bins share a pixel, from the least to the greatest of them. Return
 * where the line begins and ends; null where there is none.
 */
export function traceSteps(
  context: CanvasRenderingContext2D,
  scene: Scene,
  yAt: (slot: number) => Pixels,
): readonly [Pixels, Pixels] | null {
  const { store, view, layout } = scene;
  const [from, to] = shownBins(scene);
  const binWidth = layout.map.width / view.bins;
  const stride = Math.max(1, Math.floor(1 / binWidth));
  let isDrawing = false;
  let ends: [Pixels, Pixels] | null = null;
  for (let seq = from - (from % stride); seq <= to; seq += stride) {
    const [low, high] = extent(store.slot.bind(store), yAt, seq, Math.min(seq + stride - 1, to));
    if (low > high) {
      isDrawing = false;
      continue;
    }
    const x = xOf(seq, view, layout.map);
    if (isDrawing) context.lineTo(x, low);
    else context.moveTo(x, low);
    context.lineTo(x + binWidth * stride, high);
    isDrawing = true;
    ends = [ends?.[0] ?? x, x + binWidth * stride];
  }
  return ends;
}

function extent(
  slotOf: (seq: number) => number,
  yAt: (slot: number) => Pixels,
  from: number,
  to: number,
): [Pixels, Pixels] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let seq = from; seq <= to; seq++) {
    const slot = slotOf(seq);
    const y = slot < 0 ? Number.NaN : yAt(slot);
    if (y < low) low = y;
    if (y > high) high = y;
  }
  return [low, high];
}

/**
 * Executed volume as discs at its prices, by area, in the colour of who took it; bins that lie too near together share
 * one a price. The largest say how much they are.
 */
export function drawTrades(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, layout, palette } = scene;
  const discs = tradeDiscs(scene).sort((a, b) => b.size - a.size);
  const most = discs[0]?.size ?? 1;
  context.strokeStyle = palette.halo;
  context.lineWidth = Math.max(1, layout.unit / 14);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = font(scene, 0.78, 600);
  // The small ones come last: none is hidden by a larger one.
  discs.forEach(({ seq, tick, size, taker }, i) => {
    const radius = layout.unit * Math.max(TRADE_RADIUS_UNITS * (size / most) ** TRADE_POWER, LEAST_RADIUS_UNITS);
    const [x, y] = [xOf(seq, view, layout.map), yOf(tick, view, layout.map)];
    context.globalAlpha = 0.88;
    context.fillStyle = taker === "buyer" ? palette.bid : palette.ask;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.globalAlpha = 1;
    if (i >= MOST_LABELS || radius < LABEL_RADIUS_UNITS * layout.unit) return;
    context.fillStyle = palette.paper;
    context.fillText(quantity(size), x, y + 0.5, radius * 1.8);
  });
}

interface Disc {
  readonly seq: number;
  readonly tick: Ticks;
  readonly taker: Taker;
  size: number;
}

function tradeDiscs(scene: Scene): Disc[] {
  const { store, view, layout, head } = scene;
  const [from, to] = shownBins(scene);
  const bucket = Math.max(1, Math.round((TRADE_BUCKET_UNITS * layout.unit * view.bins) / layout.map.width));
  const discs: Disc[] = [];
  const ofBucket = new Map<number, Disc>();
  let start = Number.NaN;
  for (let seq = from; seq <= Math.min(to, head); seq++) {
    const slot = store.slot(seq);
    if (slot < 0) continue;
    const trades = store.trades(slot);
    if (trades.length === 0) continue;
    const begin = seq - (seq % bucket);
    if (begin !== start) ofBucket.clear();
    start = begin;
    for (const trade of trades) {
      const [tick, taker] = [store.ticks(trade.price), takerOf(trade)];
      const key = 2 * Math.round(tick) + (taker === "buyer" ? 1 : 0);
      let disc = ofBucket.get(key);
      if (disc === undefined) {
        disc = { seq: begin + bucket / 2, tick, taker, size: 0 };
        ofBucket.set(key, disc);
        discs.push(disc);
      }
      disc.size += trade.quantity;
    }
  }
  return discs;
}
