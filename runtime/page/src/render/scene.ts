import type { BinStore } from "../model/bin-store";
import type { Field } from "../model/fields";
import type { Fire } from "../model/fires";
import type { Layout } from "../model/layout";
import type { Rival } from "../model/protocol";
import type { Layer } from "../model/settings";
import type { Clock } from "../model/time-axis";
import type { Pixels, Seq, Ticks } from "../model/units";
import type { View } from "../model/view";
import type { Palette } from "./palette";

/** All that a picture is made of: renderers read it and keep nothing of it. */
export interface Scene {
  readonly store: BinStore;
  readonly view: View;
  /** The bin that is "now": the newest, or the one that a user has gone back to. */
  readonly head: Seq;
  readonly layout: Layout;
  readonly palette: Palette;
  readonly clock: Clock;
  readonly tickSize: number;
  readonly cellWidthMs: number;
  readonly field: Field;
  /** The value at the end of the colours, and their exponent. */
  readonly range: number;
  readonly curve: number;
  readonly fires: readonly Fire[];
  /** The promoted threshold of a version, as far as it is known. */
  readonly threshold: (version: string) => number | null;
  readonly champion: string;
  readonly rivals: readonly Rival[];
  readonly shadow: Rival | null;
  readonly hidden: ReadonlySet<Layer>;
}

export interface Pointer {
  readonly x: Pixels;
  readonly y: Pixels;
  readonly seq: Seq;
  readonly tick: Ticks;
}

/** The bins of a scene that are on screen and not after the newest one: [from, to]. */
export function shownBins({ store, view }: Scene): [Seq, Seq] {
  const from = Math.max(Math.floor(view.right - view.bins), store.first ?? 0);
  return [from, Math.min(Math.ceil(view.right), store.last ?? -1)];
}

export function font({ layout }: Scene, size = 1, weight = 400): string {
  return `${weight} ${Math.round(layout.unit * size * 0.86)}px "Inter", system-ui, "Segoe UI", "DejaVu Sans", sans-serif`;
}
