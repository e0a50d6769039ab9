import { COLOUR_STEPS, colourStep, colourTable } from "../model/colour-map";
import type { Condition } from "../model/health";
import { type Rect, xOf, yOf } from "../model/scales";
import type { Loop } from "./loop";
import type { Page } from "./page";

/** What scripts may ask the page, as `vpharness` in the browser's console: what is there, and where it is drawn. */
export interface PageApi {
  /** The newest bin, the bin that is shown as now, and how many were ever written. */
  bins(): { first: number | null; last: number | null; head: number | null; written: number; isLive: boolean };
  /** Every value of a cell; null where it is not in the buffer. */
  cell(seq: number, tick: number): Record<string, number> | null;
  /** The middle of a cell on screen, in CSS pixels of the window. */
  place(seq: number, tick: number): { x: number; y: number; width: number; height: number };
  /** Where the parts of the stage are on screen, in CSS pixels of the window. */
  panes(): Record<string, { x: number; y: number; width: number; height: number }>;
  /** The colour [red, green, blue] in which the map shows a value of its field. */
  colour(value: number): [number, number, number];
  conditions(): readonly Condition[];
  view(): Page["view"];
  /** How the map is drawn, of which bin, what that cost, and whether its colours belong to the bins that there are now. */
  drawing(): {
    kind: string;
    head: number | null;
    frames: number;
    drawMs: number[];
    ratio: number;
    isRangeCurrent: boolean;
  };
}

declare global {
  interface Window {
    vpharness?: PageApi;
  }
}

export function expose(page: Page, loop: Loop, stage: HTMLElement): void {
  const { session } = page;
  window.vpharness = {
    bins: () => {
      const { store } = session;
      const written = store?.revision ?? 0;
      return { first: store?.first ?? null, last: store?.last ?? null, head: page.head, written, isLive: page.isLive };
    },
    cell: (seq, tick) => {
      const { store } = session;
      const slot = store?.slot(seq) ?? -1;
      if (store === null || slot < 0) return null;
      const values = store.shape.columns.map((name) => [name, store.value(name, slot, tick)] as const);
      return values.some(([, value]) => value === undefined)
        ? null
        : (Object.fromEntries(values) as Record<string, number>);
    },
    place: (seq, tick) => {
      const { map } = page.layout;
      const [box, ratio] = [stage.getBoundingClientRect(), devicePixelRatio];
      const [x, y] = [xOf(seq + 0.5, page.view, map), yOf(tick, page.view, map)];
      const [width, height] = [map.width / page.view.bins / ratio, map.height / page.view.ticks / ratio];
      return { x: box.left + x / ratio, y: box.top + y / ratio, width, height };
    },
    colour: (value) => {
      const { field, settings, palette } = page;
      const table = colourTable(field.kind, palette.theme);
      const step = colourStep(value, field.kind, page.range, settings.curve ?? field.curve, field.scale);
      const at = Math.min(step, COLOUR_STEPS - 1) * 4;
      return [table[at] as number, table[at + 1] as number, table[at + 2] as number];
    },
    panes: () => {
      const [box, ratio] = [stage.getBoundingClientRect(), devicePixelRatio];
      const rects = Object.entries(page.layout).filter(
        (entry): entry is [string, Rect] => typeof entry[1] === "object",
      );
      const inCss = ({ x, y, width, height }: Rect) => ({
        x: box.left + x / ratio,
        y: box.top + y / ratio,
        width: width / ratio,
        height: height / ratio,
      });
      return Object.fromEntries(rects.map(([name, rect]) => [name, inCss(rect)]));
    },
    conditions: () => session.conditions(),
    view: () => page.view,
    drawing: () => ({
      kind: loop.stage.heatmap.kind,
      head: loop.drawnHead,
      ...loop.costs,
      ratio: devicePixelRatio,
      isRangeCurrent: page.isRangeCurrent,
    }),
  };
}
