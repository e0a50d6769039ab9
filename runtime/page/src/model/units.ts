/** Units as types, so that a price can not be passed where a tick or a pixel is wanted. */

declare const unit: unique symbol;

type Nominal<Name extends string> = number & { readonly [unit]?: Name };

/** The number of a bin in the stream of one server process; consecutive bins differ by 1. */
export type Seq = Nominal<"seq">;
/** A price in whole or fractional multiples of the tick size. */
export type Ticks = Nominal<"ticks">;
/** A price in the instrument's own unit. */
export type Price = Nominal<"price">;
/** Milliseconds since 1970 UTC, with fractions down to a microsecond. */
export type Milliseconds = Nominal<"ms">;
/** A distance in device pixels. */
export type Pixels = Nominal<"pixels">;

/** Nanoseconds since 1970 as the wire spells them (a decimal string past 2^53) in milliseconds. */
export function millisecondsOf(nanoseconds: string): Milliseconds {
  return Number(BigInt(nanoseconds) / 1000n) / 1000;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
