import { significant } from "../model/format";
import { yOf } from "../model/scales";
import type { Ticks } from "../model/units";
import { font, type Scene } from "./scene";

/** The depth of the book now, beside the map and on its prices: bids and asks as bars, the largest filling the width. */
export function drawProfile(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, store, head } = scene;
  const { profile, unit } = layout;
  context.fillStyle = palette.rule;
  context.fillRect(profile.x, profile.y, 1, profile.height);
  const slot = store.slot(head);
  const sides = [
    [store.column("bid_depth"), palette.bid],
    [store.column("ask_depth"), palette.ask],
  ] as const;
  if (slot < 0 || !store.hasCells(slot) || !store.hasSpot(slot)) return;
  const most = Math.max(1e-12, ...sides.map(([depth]) => greatestShown(scene, depth, slot)));
  for (const [depth, colour] of sides) if (depth !== undefined) drawBars(context, scene, depth, slot, most, colour);
  context.font = font(scene, 0.9);
  context.fillStyle = palette.panel;
  context.fillRect(profile.x + 1, profile.y, profile.width - 1, unit * 1.9);
  context.fillStyle = palette.muted;
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillText("Depth", profile.x + unit * 0.6, profile.y + unit * 0.5);
  context.textAlign = "right";
  context.fillText(significant(most), profile.x + profile.width - unit * 0.4, profile.y + unit * 0.5);
}

function drawBars(
  context: CanvasRenderingContext2D,
  scene: Scene,
  depth: Float64Array,
  slot: number,
  most: number,
  colour: string,
): void {
  const { store, view, layout } = scene;
  const { profile, unit } = layout;
  const room = profile.width - unit * 0.8;
  const height = Math.max(1, profile.height / view.ticks - (profile.height / view.ticks > 3 ? 1 : 0));
  context.fillStyle = colour;
  context.globalAlpha = 0.85;
  for (let k = 0; k < store.cellsPerBin; k++) {
    const value = depth[slot * store.cellsPerBin + k] as number;
    const y = yOf(tickOf(scene, slot, k), view, profile);
    if (!(value > 0) || y < -height || y > profile.height + height) continue;
    context.fillRect(profile.x + 1, y - height / 2, (room * value) / most, height);
  }
  context.globalAlpha = 1;
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
