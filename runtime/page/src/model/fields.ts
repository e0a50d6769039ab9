import type { BinStore } from "./bin-store";
import type { ColourMapKind, ColourScale } from "./colour-map";

/** What the heatmap can show, made of one or more columns of the grid. */
export interface Field {
  readonly name: string;
  readonly label: string;
  /** What is seen, in one line. */
  readonly meaning: string;
  /** What the extremes of the colours mean, for the legend. */
  readonly low: string;
  readonly high: string;
  readonly kind: ColourMapKind;
  /** The columns it is made of: the first minus the second, where there are two. */
  readonly columns: readonly [string] | readonly [string, string];
  /** Whether colours grow with a value or with its logarithm; see `colourStep`. */
  readonly scale: ColourScale;
  /** The value at the end of the colours; null: the 99 % quantile of what is in view. */
  readonly range: number | null;
  /** The exponent that brings out small values. */
  readonly curve: number;
}

export const FIELDS: readonly Field[] = [
  {
    name: "depth",
    label: "Resting depth",
    meaning: "What rests at each price, on a log scale: bids blue, asks orange.",
    low: "bid",
    high: "ask",
    kind: "sides",
    columns: ["ask_depth", "bid_depth"],
    scale: "log",
    range: null,
    curve: 2.4,
  },
  {
    name: "spectrum",
    label: "Spectrum",
    meaning: "Whether pressure or vacuum has been gaining at a price, from -1 to 1.",
    low: "vacuum",
    high: "pressure",
    kind: "diverging",
    columns: ["spectrum_score"],
    scale: "linear",
    range: 1,
    curve: 1,
  },
  {
    name: "net",
    label: "Pressure less vacuum",
    meaning: "Liquidity built up at a price (green) less liquidity drained (violet).",
    low: "vacuum",
    high: "pressure",
    kind: "diverging",
    columns: ["pressure_variant", "vacuum_variant"],
    scale: "linear",
    range: null,
    curve: 0.5,
  },
  {
    name: "pressure",
    label: "Pressure",
    meaning: "Liquidity being built up at a price: orders added, and ever more of them.",
    low: "0",
    high: "pressure",
    kind: "sequential",
    columns: ["pressure_variant"],
    scale: "linear",
    range: null,
    curve: 0.5,
  },
  {
    name: "vacuum",
    label: "Vacuum",
    meaning: "Liquidity being drained at a price: orders cancelled or executed, and ever more of them.",
    low: "0",
    high: "vacuum",
    kind: "sequential",
    columns: ["vacuum_variant"],
    scale: "linear",
    range: null,
    curve: 0.5,
  },
  {
    name: "add",
    label: "Adds",
    meaning: "How fast size is being added at a price.",
    low: "0",
    high: "added",
    kind: "sequential",
    columns: ["v_add"],
    scale: "linear",
    range: null,
    curve: 0.5,
  },
  {
    name: "pull",
    label: "Pulls",
    meaning: "How fast size is being cancelled at a price.",
    low: "0",
    high: "pulled",
    kind: "sequential",
    columns: ["v_pull"],
    scale: "linear",
    range: null,
    curve: 0.5,
  },
  {
    name: "fill",
    label: "Fills",
    meaning: "How fast size is being executed at a price.",
    low: "0",
    high: "filled",
    kind: "sequential",
    columns: ["v_fill"],
    scale: "linear",
    range: null,
    curve: 0.5,
  },
];

/**
 * The columns that the page asks for: what the fields are made of, what the profile draws, and the small labels that
 * explain a cell; 7.7 kB a bin instead of the 33 kB of all columns, and a quarter of the memory.
 */
export const SHOWN_COLUMNS: readonly string[] = [
  ...new Set([...FIELDS.flatMap((field) => [...field.columns]), "rest_depth"]),
  "spectrum_state_code",
  "perm_state5_code",
];

export function fieldNamed(name: string): Field {
  return FIELDS.find((field) => field.name === name) ?? (FIELDS[0] as Field);
}

/** Whether a stream carries what a field is made of. */
export function isCarried(field: Field, columns: readonly string[]): boolean {
  return field.columns.every((name) => columns.includes(name));
}

/** Write the values of a field at a slot to `out` [cells] from `offset` on; 0 where a column is not carried. */
export function fieldValues(field: Field, store: BinStore, slot: number, out: Float32Array, offset: number): void {
  const width = store.cellsPerBin;
  const plus = store.column(field.columns[0]);
  const minus = field.columns[1] === undefined ? undefined : store.column(field.columns[1]);
  for (let k = 0; k < width; k++) {
    const index = slot * width + k;
    out[offset + k] = (plus?.[index] ?? 0) - (minus?.[index] ?? 0);
  }
}

const SAMPLED_BINS = 48;
const RANGE_QUANTILE = 0.99;

/** Return the 99 % quantile of a field's magnitude over some bins between two, or 1 where all is 0. */
export function automaticRange(field: Field, store: BinStore, from: number, to: number): number {
  const width = store.cellsPerBin;
  const step = Math.max(1, Math.floor((to - from + 1) / SAMPLED_BINS));
  const found = new Float32Array((Math.floor((to - from) / step) + 1) * width);
  let count = 0;
  for (let seq = from; seq <= to; seq += step) {
    const slot = store.slot(seq);
    if (slot < 0 || !store.hasCells(slot)) continue;
    fieldValues(field, store, slot, found, count);
    count += width;
  }
  const sizes = found.subarray(0, count).map(Math.abs).sort();
  const quantile = sizes[Math.floor(RANGE_QUANTILE * (count - 1))] ?? 0;
  return roundUp(quantile);
}

const RANGES = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** Round up to one of a few values, so that the colours do not change with every bin. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return (RANGES.find((each) => each * unit >= value) ?? 10) * unit;
}
