import type { Theme } from "../model/colour-map";

/** The colours of what is drawn, as CSS writes them; the style sheet defines them for both themes. */
export interface Palette {
  readonly theme: Theme;
  readonly paper: string;
  readonly panel: string;
  readonly text: string;
  readonly muted: string;
  readonly rule: string;
  readonly mid: string;
  readonly halo: string;
  readonly bid: string;
  readonly ask: string;
  readonly accent: string;
  readonly projection: string;
  readonly good: string;
  readonly bad: string;
  readonly neutral: string;
  readonly invalid: string;
  readonly warning: string;
  /** Lines of the challengers, in their order. */
  readonly rivals: readonly string[];
}

export function rivalColour(palette: Palette, index: number): string {
  return palette.rivals[index % palette.rivals.length] ?? palette.muted;
}

/** Return red, green and blue of a colour written as #rrggbb. */
export function rgbOf(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
