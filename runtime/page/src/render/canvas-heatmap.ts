import type { BinStore } from "../model/bin-store";
import { COLOUR_STEPS, colourStep, colourTable } from "../model/colour-map";
import { fieldValues } from "../model/fields";
import type { Seq, Ticks } from "../model/units";
import type { Heatmap } from "./heatmap";
import { rgbOf } from "./palette";
import type { Scene } from "./scene";
import { fit, Surface } from "./surface";

const MOST_BINS = 36_000;

/**
 * The heatmap on a plain canvas: a picture with a pixel for each cell in view, stretched to the map. Bins that share a
 * pixel share a column of the picture, always the same ones. While nothing but time goes on the picture is shifted, and
 * only columns with new bins are painted.
 */
export class CanvasHeatmap implements Heatmap {
  readonly kind = "canvas";
  readonly mostBins = MOST_BINS;
  readonly #surface: Surface;
  readonly #cells = document.createElement("canvas");
  #picture = new ImageData(1, 1);
  #painted: Painted | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.#surface = new Surface(canvas);
  }

  draw(scene: Scene): void {
    const { view, layout, palette, store } = scene;
    const { map } = layout;
    const context = this.#surface.begin(map.width, map.height);
    context.fillStyle = palette.paper;
    context.fillRect(0, 0, map.width, map.height);
    if (store.last === null) return;
    const frame = frameOf(scene);
    const [columns, rows] = [frame.columns, frame.highest - frame.lowest + 1];
    if (this.#picture.width !== columns || this.#picture.height !== rows) {
      this.#picture = new ImageData(columns, rows);
      this.#painted = null;
    }
    fit(this.#cells, columns, rows);
    this.#paint(scene, frame);
    this.#cells.getContext("2d")?.putImageData(this.#picture, 0, 0);
    const [binWidth, tickHeight] = [map.width / view.bins, map.height / view.ticks];
    const x = (frame.from - (view.right - view.bins)) * binWidth;
    const y = (view.centre + view.ticks / 2 - frame.highest - 0.5) * tickHeight;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#cells, x, y, columns * frame.stride * binWidth, rows * tickHeight);
  }

  #paint(scene: Scene, frame: Frame): void {
    const { store } = scene;
    const before = this.#painted;
    const { from, stride, columns } = frame;
    const first = store.first ?? from;
    const painter = new ColumnPainter(scene, this.#picture, frame.highest);
    const stale = before === null ? null : staleColumns(scene, before, frame, first);
    if (stale === null || before === null) {
      for (let column = 0; column < columns; column++) painter.paint(column, from + column * stride, stride);
    } else {
      const shift = (from - before.frame.from) / stride;
      // The rows lie one behind the other: what comes in at the right is painted over below.
      if (shift > 0) new Uint32Array(this.#picture.data.buffer).copyWithin(0, shift);
      for (const column of stale) painter.paint(column, from + column * stride, stride);
    }
    this.#painted = { store, frame, revision: store.revision, first };
  }
}

/** Which cells a picture holds, and how they are coloured. */
interface Frame {
  readonly from: Seq;
  readonly stride: number;
  readonly columns: number;
  readonly lowest: Ticks;
  readonly highest: Ticks;
  readonly look: string;
}

interface Painted {
  readonly store: BinStore;
  readonly frame: Frame;
  readonly revision: number;
  readonly first: Seq;
}

function frameOf({ view, layout, field, range, curve, palette, store, head }: Scene): Frame {
  const stride = Math.max(1, Math.floor(view.bins / layout.map.width));
  const left = Math.floor(view.right - view.bins);
  const [lowest, highest] = [Math.floor(view.centre - view.ticks / 2), Math.ceil(view.centre + view.ticks / 2)];
  const columns = Math.ceil(view.bins / stride) + 2;
  const dimmedFrom = head === store.last ? "" : head;
  const look = [field.name, range, curve, palette.theme, dimmedFrom, stride, columns, lowest, highest].join(" ");
  return { from: Math.floor(left / stride) * stride, stride, columns, lowest, highest, look };
}

/** Return the columns that have to be painted anew once the picture is shifted; null where all of them have. */
function staleColumns({ store }: Scene, before: Painted, frame: Frame, first: Seq): Set<number> | null {
  const { from, stride, columns } = frame;
  const shift = (from - before.frame.from) / stride;
  if (before.store !== store || before.frame.look !== frame.look || shift < 0 || shift >= columns) return null;
  const slots = store.writtenSince(before.revision);
  if (slots === null) return null;
  const stale = new Set<number>();
  const add = (seq: Seq) => {
    const column = Math.floor((seq - from) / stride);
    if (column >= 0 && column < columns) stale.add(column);
  };
  for (let column = columns - shift; column < columns; column++) stale.add(column);
  for (const slot of slots) add(store.seqAt(slot));
  for (let seq = Math.max(before.first, from); seq < Math.min(first, from + columns * stride); seq++) add(seq);
  return stale;
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
      const step =
        count === 0 ? 0 : colourStep((this.#sums[row] as number) / count, field.kind, range, curve, field.scale);
      let colour = count === 0 ? empty : (this.#table[step] as number);
      if (isInvalid && (row + Math.floor(seq / bins)) % 4 === 0) colour = mix(colour, this.#invalid, 0.45);
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
