/** Numbers as the page writes them: a real minus sign, and as many digits as mean something. */

import type { Fit } from "./protocol";

const MINUS = "\u2212";
export const NOTHING = "\u2013";

/** Return how many decimals prices of a tick size need. */
export function priceDecimals(tickSize: number): number {
  for (let decimals = 0; decimals < 10; decimals++) {
    const scaled = tickSize * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return decimals;
  }
  return 10;
}

export function fixed(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

export function signed(value: number | null | undefined, decimals: number): string {
  const text = fixed(value, decimals);
  return value !== null && value !== undefined && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

export function percent(share: number | null | undefined, decimals = 0): string {
  const text = fixed(share === null || share === undefined ? null : share * 100, decimals);
  return text === NOTHING ? text : `${text}\u202f%`;
}

const SMALLEST = 1e-4;
const LARGEST_WHOLE = 1e15;
const BILLION = 1e9;

/** Four significant digits, whole numbers as they are; never an exponent: what is too small to matter reads 0.0000. */
export function significant(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= LARGEST_WHOLE) return `${grouped(value / BILLION)}\u202fbn`;
  if (Number.isInteger(value) || size >= 1e4) return grouped(value);
  return size < SMALLEST ? "0.0000" : signedBy(value, size.toPrecision(4));
}

function signedBy(value: number, text: string): string {
  return value < 0 ? MINUS + text : text;
}

/** A quantity of contracts, shares or coins: whole where it is, else three digits that mean something. */
export function quantity(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= 1e4) return significantShort(value);
  if (Math.abs(size - Math.round(size)) < 1e-9 * Math.max(1, size)) return grouped(value);
  if (size < SMALLEST) return "0.0000";
  return signedBy(value, size >= 100 ? size.toFixed(0) : String(Number(size.toPrecision(3))));
}

function significantShort(value: number): string {
  const size = Math.abs(value);
  const [unit, name] = size >= 1e9 ? [1e9, "bn"] : size >= 1e6 ? [1e6, "m"] : [1e3, "k"];
  return signedBy(value, `${Number((size / unit).toPrecision(3))}\u202f${name}`);
}

/** At most four significant digits, none of them a needless zero: for numbers that people chose. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < SMALLEST) return "0.0000";
  return signedBy(value, String(Number(size.toPrecision(4))));
}

/** Whole numbers with thin spaces between thousands. */
export function grouped(value: number): string {
  const digits = String(Math.abs(Math.round(value))).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return value < 0 ? MINUS + digits : digits;
}

/** What a model was fitted on and when, in one line. */
export function fitText(fit: Fit): string {
  const at = new Date(Number(BigInt(fit.fitted_at_ns) / 1_000_000n)).toISOString().slice(0, 16).replace("T", " ");
  const loss = significant(fit.training_loss);
  return `${fit.model}, fitted at ${at} UTC on ${grouped(fit.training_bins)} bins of ${fit.dataset}, training loss ${loss}`;
}

/** A number of milliseconds as ms or s. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return NOTHING;
  if (ms < 1000) return `${fixed(ms, ms < 10 ? 1 : 0)}\u202fms`;
  return `${fixed(ms / 1000, ms < 100_000 ? 1 : 0)}\u202fs`;
}
