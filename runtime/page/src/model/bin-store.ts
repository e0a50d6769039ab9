import type { Cells, GridUpdate, ProjectionShape, Trade } from "./protocol";
import { type Milliseconds, millisecondsOf, type Price, type Seq, type Ticks } from "./units";

/** What does not change while a store is in use; anything else needs a new store. */
export interface StoreShape {
  /** Bins that are kept; older ones make room. */
  readonly capacity: number;
  readonly radius: number;
  readonly tickSize: number;
  readonly columns: readonly string[];
}

/** From which bin on a version of the model spoke. */
export interface VersionStart {
  seq: Seq;
  version: string;
}

const NO_SEQ = -1;
const NO_TRADES: readonly Trade[] = [];
const RINGS_BEFORE = 4;
const LONGEST_VERSIONS = 256;

/**
 * The last bins of the stream in a ring: bin `seq` lies at slot `seq % capacity`, so gaps stay gaps and a bin that
 * comes twice is written twice to the same place. All memory is taken at the start and nothing grows.
 */
export class BinStore {
  readonly cellsPerBin: number;
  /** [capacity] each. */
  readonly startMs: Float64Array;
  readonly mid: Float64Array;
  readonly bestBid: Float64Array;
  readonly bestAsk: Float64Array;
  readonly score: Float64Array;
  readonly shadowScore: Float64Array;
  readonly lateMs: Float64Array;
  readonly spotTick: Int32Array;
  readonly bookValid: Uint8Array;
  readonly ready: Uint8Array;
  readonly events: Float64Array;
  readonly missed: Float64Array;
  /** What buyers took from the asks in a bin and sellers from the bids, and the former less the latter since the first bin. */
  readonly bought: Float64Array;
  readonly sold: Float64Array;
  readonly cumulativeDelta: Float64Array;
  /** [capacity, challengers]. */
  challengerScore = new Float64Array(0);
  /** [capacity, horizons, quantiles], ticks from the bin's mid. */
  projection = new Float64Array(0);
  #challengers = 0;
  #projectionShape: ProjectionShape | null = null;
  readonly #seqs: Float64Array;
  readonly #hasCells: Uint8Array;
  readonly #columns: Map<string, Float64Array>;
  readonly #trades: (readonly Trade[])[];
  readonly #log: Int32Array;
  #logged = 0;
  #begin = NO_SEQ;
  #last = NO_SEQ;
  #first = NO_SEQ;
  #versions: VersionStart[] = [];

  constructor(readonly shape: StoreShape) {
    const { capacity, radius, columns } = shape;
    const numbers = () => this.#numbers(1);
    this.cellsPerBin = 2 * radius + 1;
    this.startMs = numbers();
    this.mid = numbers();
    this.bestBid = numbers();
    this.bestAsk = numbers();
    this.score = numbers();
    this.shadowScore = numbers();
    this.lateMs = numbers();
    this.spotTick = new Int32Array(capacity);
    this.bookValid = new Uint8Array(capacity);
    this.ready = new Uint8Array(capacity);
    this.events = numbers();
    this.missed = numbers();
    this.bought = numbers();
    this.sold = numbers();
    this.cumulativeDelta = numbers();
    this.#seqs = new Float64Array(capacity).fill(NO_SEQ);
    this.#hasCells = new Uint8Array(capacity);
    this.#columns = new Map(columns.map((name) => [name, new Float64Array(capacity * this.cellsPerBin)]));
    this.#trades = new Array<readonly Trade[]>(capacity).fill(NO_TRADES);
    this.#log = new Int32Array(capacity);
  }

  /** How the projections of the bins are shaped; null where nothing is projected. */
  get projectionShape(): ProjectionShape | null {
    return this.#projectionShape;
  }

  /** Make room for other models: what the challengers said so far, and what was projected, is let go where it changes. */
  reshape(challengers: number, projection: ProjectionShape | null): void {
    if (challengers !== this.#challengers) this.challengerScore = this.#numbers(challengers);
    this.#challengers = challengers;
    if (JSON.stringify(projection) === JSON.stringify(this.#projectionShape)) return;
    this.#projectionShape = projection;
    const width = projection === null ? 0 : projection.horizons_bins.length * projection.quantiles.length;
    this.projection = this.#numbers(width);
  }

  /**
   * What renderers count bins from, since theirs are 32-bit numbers: a few rings before the first bin, and a whole number
   * of rings, so that slots are the same.
   */
  get origin(): Seq {
    const { capacity } = this.shape;
    return (Math.floor(Math.max(this.#begin, 0) / capacity) - RINGS_BEFORE) * capacity;
  }

  /** The newest bin, and the oldest that may still be here. */
  get last(): Seq | null {
    return this.#last === NO_SEQ ? null : this.#last;
  }

  get first(): Seq | null {
    return this.#first === NO_SEQ ? null : Math.max(this.#first, this.#last - this.shape.capacity + 1);
  }

  /** How many bins were ever written: what changes whenever anything here does. */
  get revision(): number {
    return this.#logged;
  }

  get versions(): readonly VersionStart[] {
    return this.#versions;
  }

  /** Where a bin lies, or -1 where it is not here (older than the ring, in a gap, or not yet come). */
  slot(seq: Seq): number {
    if (seq < 0 || seq <= this.#last - this.shape.capacity || !Number.isInteger(seq)) return -1;
    const slot = seq % this.shape.capacity;
    return this.#seqs[slot] === seq ? slot : -1;
  }

  /** The bin at a slot; -1 where there is none yet. */
  seqAt(slot: number): Seq {
    return this.#seqs[slot] as number;
  }

  hasCells(slot: number): boolean {
    return this.#hasCells[slot] === 1;
  }

  /** What was executed in the bin. */
  trades(slot: number): readonly Trade[] {
    return this.#trades[slot] ?? NO_TRADES;
  }

  /** Whether the bin has a price around which its cells lie. */
  hasSpot(slot: number): boolean {
    return this.spotTick[slot] !== NO_TICK;
  }

  /** A column [capacity, cells]; undefined where the stream does not carry it. */
  column(name: string): Float64Array | undefined {
    return this.#columns.get(name);
  }

  /** Write a bin. `cells` holds the columns of one or more bins, this one at `index`; null where they are not known. */
  write(update: GridUpdate, cells: Cells | null, index = 0): void {
    const slot = update.seq % this.shape.capacity;
    this.#seqs[slot] = update.seq;
    this.#writeBin(slot, update);
    this.#writeScores(slot, update);
    this.#writeCells(slot, cells, index);
    this.#log[this.#logged % this.shape.capacity] = slot;
    this.#logged += 1;
    if (this.#begin === NO_SEQ) this.#begin = update.seq;
    if (this.#first === NO_SEQ || update.seq < this.#first) this.#first = update.seq;
    if (update.seq > this.#last) this.#last = update.seq;
    this.#noteVersion(update.seq, update.version);
  }

  /** The slots written since a revision, oldest first; null where they are too many to tell: then all may have been. */
  writtenSince(revision: number): Int32Array | null {
    const count = this.#logged - revision;
    if (count > this.shape.capacity) return null;
    return Int32Array.from({ length: count }, (_, i) => this.#log[(revision + i) % this.shape.capacity] as number);
  }

  /** The value of a cell by absolute tick; undefined where the window of that bin does not reach. */
  value(name: string, slot: number, tick: Ticks): number | undefined {
    const k = tick - (this.spotTick[slot] as number) + this.shape.radius;
    if (!this.hasCells(slot) || !this.hasSpot(slot) || k < 0 || k >= this.cellsPerBin) return undefined;
    return this.#columns.get(name)?.[slot * this.cellsPerBin + k];
  }

  /** The mid of a bin in ticks; NaN where there is none. */
  midTicks(slot: number): Ticks {
    return this.ticks(this.mid[slot] as number);
  }

  ticks(price: Price): Ticks {
    return price / this.shape.tickSize;
  }

  /** When a bin began, reckoned from the nearest bin that is here. */
  timeOf(seq: Seq, cellWidthMs: number): Milliseconds | null {
    const last = this.last;
    if (last === null) return null;
    const slot = this.slot(Math.floor(seq));
    if (slot >= 0) return (this.startMs[slot] as number) + (seq - Math.floor(seq)) * cellWidthMs;
    const anchor = seq > last ? last : this.#nextHere(Math.floor(seq), last);
    return (this.startMs[this.slot(anchor)] as number) + (seq - anchor) * cellWidthMs;
  }

  #numbers(width: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.shape.capacity * width).fill(Number.NaN);
  }

  #nextHere(seq: Seq, last: Seq): Seq {
    for (let next = Math.max(seq, this.first ?? last); next < last; next++) if (this.slot(next) >= 0) return next;
    return last;
  }

  #writeBin(slot: number, update: GridUpdate): void {
    this.startMs[slot] = millisecondsOf(update.bin_start_ns);
    this.mid[slot] = update.mid_price ?? Number.NaN;
    this.bestBid[slot] = update.best_bid ?? Number.NaN;
    this.bestAsk[slot] = update.best_ask ?? Number.NaN;
    this.spotTick[slot] = update.spot_tick ?? NO_TICK;
    this.bookValid[slot] = update.book_valid ? 1 : 0;
    this.ready[slot] = update.ready ? 1 : 0;
    this.events[slot] = update.bin_event_count;
    this.missed[slot] = update.missed;
    this.lateMs[slot] = update.late_ms ?? Number.NaN;
    this.#trades[slot] = update.trades.length > 0 ? update.trades : NO_TRADES;
    this.#addVolume(slot, update);
  }

  #addVolume(slot: number, { seq, trades }: GridUpdate): void {
    let [bought, sold] = [0, 0];
    for (const { quantity, side } of trades) {
      if (side === "A") bought += quantity;
      else sold += quantity;
    }
    this.bought[slot] = bought;
    this.sold[slot] = sold;
    // Bins come in their order; over a gap the sum goes on from the last one that came.
    const before = this.slot(seq - 1);
    const from = before >= 0 ? before : this.slot(this.#last);
    const sum = from >= 0 && from !== slot ? (this.cumulativeDelta[from] as number) : 0;
    this.cumulativeDelta[slot] = sum + bought - sold;
  }

  #writeScores(slot: number, update: GridUpdate): void {
    this.score[slot] = update.score ?? Number.NaN;
    this.shadowScore[slot] = update.shadow?.score ?? Number.NaN;
    const challengers = this.#challengers;
    for (let i = 0; i < challengers; i++) {
      this.challengerScore[slot * challengers + i] = update.challengers[i]?.score ?? Number.NaN;
    }
    const shape = this.#projectionShape;
    if (shape === null) return;
    const quantiles = shape.quantiles.length;
    const width = shape.horizons_bins.length * quantiles;
    for (let i = 0; i < width; i++) {
      const value = update.projection?.[Math.floor(i / quantiles)]?.[i % quantiles];
      this.projection[slot * width + i] = value ?? Number.NaN;
    }
  }

  #writeCells(slot: number, cells: Cells | null, index: number): void {
    const width = this.cellsPerBin;
    this.#hasCells[slot] = cells === null ? 0 : 1;
    for (const [name, column] of this.#columns) {
      const values = cells?.get(name);
      for (let k = 0; k < width; k++) column[slot * width + k] = values?.[index * width + k] ?? 0;
    }
  }

  #noteVersion(seq: Seq, version: string): void {
    const versions = this.#versions;
    const before = versions.findLast((start) => start.seq <= seq);
    if (before?.version === version) return;
    const next = versions.findIndex((start) => start.seq > seq);
    if (next >= 0 && versions[next]?.version === version) versions.splice(next, 1);
    this.#versions = [...versions.filter((start) => start.seq !== seq), { seq, version }]
      .sort((a, b) => a.seq - b.seq)
      .slice(-LONGEST_VERSIONS);
  }
}

/** What stands for "no price" among ticks, which are whole numbers. */
export const NO_TICK = -(2 ** 31);
