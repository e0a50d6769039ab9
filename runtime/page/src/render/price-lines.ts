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

/** Executed volume as discs at its prices, by area; bins that lie too near together share one a price. */
export function drawTrades(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, layout, palette } = scene;
  const discs = tradeDiscs(scene);
  let most = 1e-12;
  for (const { size } of discs) most = Math.max(most, size);
  context.strokeStyle = palette.halo;
  context.lineWidth = 1;
  context.globalAlpha = 0.85;
  for (const { seq, tick, size, side } of discs) {
    const radius = Math.max(layout.unit * TRADE_RADIUS_UNITS * Math.sqrt(size / most), layout.unit * 0.1);
    context.fillStyle = side === "B" ? palette.bid : palette.ask;
    context.beginPath();
    context.arc(xOf(seq, view, layout.map), yOf(tick, view, layout.map), radius, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
  context.globalAlpha = 1;
}

interface Disc {
  readonly seq: number;
  readonly tick: Ticks;
  readonly side: "B" | "A";
  size: number;
}

function tradeDiscs(scene: Scene): Disc[] {
  const { store, view, layout } = scene;
  const [from, to] = shownBins(scene);
  const bucket = Math.max(1, Math.round((TRADE_BUCKET_UNITS * layout.unit * view.bins) / layout.map.width));
  const discs = new Map<string, Disc>();
  for (let seq = from; seq <= to; seq++) {
    const slot = store.slot(seq);
    if (slot < 0) continue;
    const start = seq - (seq % bucket);
    for (const { price, quantity, side } of store.trades(slot)) {
      const tick = store.ticks(price);
      const key = `${start} ${tick} ${side}`;
      const disc = discs.get(key) ?? { seq: start + bucket / 2, tick, side, size: 0 };
      disc.size += quantity;
      discs.set(key, disc);
    }
  }
  return [...discs.values()];
}
