import { xOf, yOf } from "../model/scales";
import type { Pixels, Ticks } from "../model/units";
import { type Scene, shownBins } from "./scene";

const TRADE_BUCKET_UNITS = 0.35;
const TRADE_RADIUS_UNITS = 0.5;

/** Best bid, best ask and mid over the map: steps, as prices move in steps. */
export function drawQuotes(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, palette, layout } = scene;
  const thin = Math.max(1, layout.unit / 12);
  strokeLine(context, scene, store.bestAsk, palette.ask, thin);
  strokeLine(context, scene, store.bestBid, palette.bid, thin);
  strokeLine(context, scene, store.mid, palette.halo, thin * 3.2);
  strokeLine(context, scene, store.mid, palette.mid, thin * 1.5);
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

/** Trace a value of each bin as steps; where several bins share a pixel, from the least to the greatest of them. */
export function traceSteps(context: CanvasRenderingContext2D, scene: Scene, yAt: (slot: number) => Pixels): void {
  const { store, view, layout } = scene;
  const [from, to] = shownBins(scene);
  const binWidth = layout.map.width / view.bins;
  const stride = Math.max(1, Math.floor(1 / binWidth));
  let isDrawing = false;
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
  }
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

/** Executed volume as discs at the touch that it hit, by area; bins that lie too near together share one. */
export function drawTrades(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, view, layout, palette } = scene;
  const [from, to] = shownBins(scene);
  const bucket = Math.max(1, Math.round((TRADE_BUCKET_UNITS * layout.unit * view.bins) / layout.map.width));
  for (const [sizes, prices, colour] of [
    [store.askFill, store.bestAsk, palette.ask],
    [store.bidFill, store.bestBid, palette.bid],
  ] as const) {
    const discs = bucketed(scene, from - (from % bucket), to, bucket, sizes, prices);
    const most = Math.max(1e-12, ...discs.map(([, , size]) => size));
    context.fillStyle = colour;
    context.strokeStyle = palette.halo;
    context.lineWidth = 1;
    for (const [seq, tick, size] of discs) {
      const radius = Math.max(layout.unit * TRADE_RADIUS_UNITS * Math.sqrt(size / most), layout.unit * 0.12);
      context.beginPath();
      context.arc(xOf(seq, view, layout.map), yOf(tick, view, layout.map), radius, 0, 2 * Math.PI);
      context.globalAlpha = 0.85;
      context.fill();
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

type Disc = [seq: number, tick: Ticks, size: number];

function bucketed(
  { store }: Scene,
  from: number,
  to: number,
  bucket: number,
  sizes: Float64Array,
  prices: Float64Array,
): Disc[] {
  const discs: Disc[] = [];
  for (let start = from; start <= to; start += bucket) {
    let [total, tick] = [0, Number.NaN];
    for (let seq = start; seq < start + bucket && seq <= to; seq++) {
      const slot = store.slot(seq);
      if (slot < 0 || !((sizes[slot] as number) > 0)) continue;
      total += sizes[slot] as number;
      tick = store.ticks(prices[slot] as number);
    }
    if (total > 0 && Number.isFinite(tick)) discs.push([start + bucket / 2, tick, total]);
  }
  return discs;
}
