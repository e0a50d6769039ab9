import { COLOUR_STEPS, colourStep, colourTable } from "../model/colour-map";
import { fieldValues } from "../model/fields";
import type { Seq } from "../model/units";
import type { Heatmap } from "./heatmap";
import { rgbOf } from "./palette";
import { type Scene, shownBins } from "./scene";
import { fit, Surface } from "./surface";

const MOST_BINS = 36_000;

/** The heatmap on a plain canvas: a picture with a pixel for each cell in view, stretched to the map. */
export class CanvasHeatmap implements Heatmap {
  readonly kind = "canvas";
  readonly mostBins = MOST_BINS;
  readonly #surface: Surface;
  readonly #cells = document.createElement("canvas");

  constructor(canvas: HTMLCanvasElement) {
    this.#surface = new Surface(canvas);
  }

  draw(scene: Scene): void {
    const { view, layout, palette } = scene;
    const { map } = layout;
    const context = this.#surface.begin(map.width, map.height);
    context.fillStyle = palette.paper;
    context.fillRect(0, 0, map.width, map.height);
    const [from, to] = shownBins(scene);
    if (to < from) return;
    // Bins that share a pixel are shown by one of them.
    const stride = Math.max(1, Math.floor(view.bins / map.width));
    const lowest = Math.floor(view.centre - view.ticks / 2);
    const highest = Math.ceil(view.centre + view.ticks / 2);
    const columns = Math.floor((to - from) / stride) + 1;
    fit(this.#cells, columns, highest - lowest + 1);
    const picture = new ImageData(columns, highest - lowest + 1);
    for (let column = 0; column < columns; column++) paintBin(scene, picture, column, from + column * stride, highest);
    this.#cells.getContext("2d")?.putImageData(picture, 0, 0);
    const [binWidth, tickHeight] = [map.width / view.bins, map.height / view.ticks];
    const x = (from - (view.right - view.bins)) * binWidth;
    const y = (view.centre + view.ticks / 2 - highest - 0.5) * tickHeight;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#cells, x, y, columns * stride * binWidth, picture.height * tickHeight);
  }
}

function paintBin(scene: Scene, picture: ImageData, column: number, seq: Seq, highest: number): void {
  const { store, field, palette, range, curve, head } = scene;
  const pixels = new Uint32Array(picture.data.buffer);
  const slot = store.slot(seq);
  const isThere = slot >= 0 && store.hasCells(slot) && store.hasSpot(slot);
  const share = seq > head ? 0.4 : 1;
  const [table, paper] = [colourTable32(scene), rgbOf(palette.paper)];
  const values = valuesOf(scene, slot, isThere);
  for (let row = 0; row < picture.height; row++) {
    const k = highest - row - (isThere ? (store.spotTick[slot] as number) : 0) + store.shape.radius;
    const isCell = isThere && k >= 0 && k < store.cellsPerBin;
    const colour = isCell
      ? (table[colourStep(values[k] as number, field.kind, range, curve)] as number)
      : pack(...paper);
    const isStruck = isThere && store.bookValid[slot] === 0 && (row + column) % 4 === 0;
    const shown = isStruck ? mix(colour, rgbOf(palette.invalid), 0.45) : colour;
    pixels[row * picture.width + column] = mix(shown, paper, share);
  }
}

let scratch = new Float32Array(0);

function valuesOf({ store, field }: Scene, slot: number, isThere: boolean): Float32Array {
  if (scratch.length !== store.cellsPerBin) scratch = new Float32Array(store.cellsPerBin);
  if (isThere) fieldValues(field, store, slot, scratch, 0);
  return scratch;
}

const tables = new Map<string, Uint32Array>();

function colourTable32({ field, palette }: Scene): Uint32Array {
  const name = `${field.kind} ${palette.theme}`;
  const found = tables.get(name) ?? new Uint32Array(colourTable(field.kind, palette.theme).buffer, 0, COLOUR_STEPS);
  tables.set(name, found);
  return found;
}

function pack(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function mix(colour: number, [red, green, blue]: readonly [number, number, number], share: number): number {
  if (share === 1) return colour;
  const part = (shift: number, other: number) => Math.round(((colour >>> shift) & 255) * share + other * (1 - share));
  return pack(part(0, red), part(8, green), part(16, blue));
}
