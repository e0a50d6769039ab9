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
    const [first, last] = shownBins(scene);
    if (last < first) return;
    // Bins that share a pixel share a column of the picture, always the same ones.
    const stride = Math.max(1, Math.floor(view.bins / map.width));
    const from = first - (first % stride);
    const lowest = Math.floor(view.centre - view.ticks / 2);
    const highest = Math.ceil(view.centre + view.ticks / 2);
    const columns = Math.floor((last - from) / stride) + 1;
    fit(this.#cells, columns, highest - lowest + 1);
    const picture = new ImageData(columns, highest - lowest + 1);
    const painter = new ColumnPainter(scene, picture, highest);
    for (let column = 0; column < columns; column++) painter.paint(column, from + column * stride, stride);
    this.#cells.getContext("2d")?.putImageData(picture, 0, 0);
    const [binWidth, tickHeight] = [map.width / view.bins, map.height / view.ticks];
    const x = (from - (view.right - view.bins)) * binWidth;
    const y = (view.centre + view.ticks / 2 - highest - 0.5) * tickHeight;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#cells, x, y, columns * stride * binWidth, picture.height * tickHeight);
  }
}

/** Paints the mean of a few bins as a column of a picture whose uppermost row is the tick `highest`. */
class ColumnPainter {
  readonly #pixels: Uint32Array;
  readonly #sums: Float64Array;
  readonly #counts: Uint8Array;
  readonly #values: Float32Array;
  readonly #table: Uint32Array;
  readonly #paper: Colour;
  readonly #invalid: Colour;

  constructor(
    readonly scene: Scene,
    readonly picture: ImageData,
    readonly highest: number,
  ) {
    this.#pixels = new Uint32Array(picture.data.buffer);
    this.#sums = new Float64Array(picture.height);
    this.#counts = new Uint8Array(picture.height);
    this.#values = new Float32Array(scene.store.cellsPerBin);
    this.#table = colourTable32(scene);
    this.#paper = rgbOf(scene.palette.paper);
    this.#invalid = rgbOf(scene.palette.invalid);
  }

  paint(column: number, seq: Seq, bins: number): void {
    const { store, field, range, curve, head } = this.scene;
    this.#sums.fill(0);
    this.#counts.fill(0);
    let isInvalid = false;
    for (let each = seq; each < seq + bins; each++) {
      const slot = store.slot(each);
      if (slot < 0) continue;
      isInvalid ||= store.bookValid[slot] === 0;
      if (store.hasCells(slot) && store.hasSpot(slot)) this.#add(slot);
    }
    const empty = pack(...this.#paper);
    for (let row = 0; row < this.picture.height; row++) {
      const count = this.#counts[row] as number;
      const step = count === 0 ? 0 : colourStep((this.#sums[row] as number) / count, field.kind, range, curve);
      let colour = count === 0 ? empty : (this.#table[step] as number);
      if (isInvalid && (row + column) % 4 === 0) colour = mix(colour, this.#invalid, 0.45);
      if (seq > head) colour = mix(colour, this.#paper, 0.4);
      this.#pixels[row * this.picture.width + column] = colour;
    }
  }

  #add(slot: number): void {
    const { store, field } = this.scene;
    fieldValues(field, store, slot, this.#values, 0);
    const uppermost = this.highest - (store.spotTick[slot] as number) - store.shape.radius;
    for (let k = 0; k < store.cellsPerBin; k++) {
      const row = uppermost + (store.cellsPerBin - 1 - k);
      if (row < 0 || row >= this.picture.height) continue;
      this.#sums[row] = (this.#sums[row] as number) + (this.#values[k] as number);
      this.#counts[row] = (this.#counts[row] as number) + 1;
    }
  }
}

type Colour = readonly [number, number, number];

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

function mix(colour: number, [red, green, blue]: Colour, share: number): number {
  if (share === 1) return colour;
  const part = (shift: number, other: number) => Math.round(((colour >>> shift) & 255) * share + other * (1 - share));
  return pack(part(0, red), part(8, green), part(16, blue));
}
