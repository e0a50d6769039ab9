/** Colour maps that the colour-blind can read: blue to orange around a neutral middle, and one hue growing lighter. */

export type Theme = "dark" | "light";
export type ColourMapKind = "diverging" | "sequential";
export type Rgb = readonly [number, number, number];

export const COLOUR_STEPS = 256;

/** Stops at equal distances, from the lowest value to the highest. The middle or the lowest is the paper itself. */
const STOPS: Record<Theme, Record<ColourMapKind, readonly Rgb[]>> = {
  dark: {
    diverging: [
      [150, 214, 255],
      [52, 148, 230],
      [20, 72, 138],
      [13, 17, 23],
      [128, 62, 10],
      [226, 126, 28],
      [255, 212, 138],
    ],
    sequential: [
      [13, 17, 23],
      [22, 40, 74],
      [29, 82, 122],
      [33, 132, 148],
      [92, 184, 150],
      [190, 224, 146],
      [253, 250, 206],
    ],
  },
  light: {
    diverging: [
      [8, 48, 107],
      [33, 113, 181],
      [133, 184, 220],
      [255, 255, 255],
      [245, 188, 128],
      [205, 102, 15],
      [115, 48, 4],
    ],
    sequential: [
      [255, 255, 255],
      [214, 234, 228],
      [146, 204, 200],
      [76, 162, 180],
      [38, 112, 156],
      [28, 66, 120],
      [16, 26, 72],
    ],
  },
};

/** Return the colours of a map, RGBA [COLOUR_STEPS, 4], lowest value first. */
export function colourTable(kind: ColourMapKind, theme: Theme): Uint8Array {
  const stops = STOPS[theme][kind];
  const table = new Uint8Array(COLOUR_STEPS * 4);
  for (let step = 0; step < COLOUR_STEPS; step++) {
    const position = (step / (COLOUR_STEPS - 1)) * (stops.length - 1);
    const index = Math.min(Math.floor(position), stops.length - 2);
    const [low, high] = [stops[index] as Rgb, stops[index + 1] as Rgb];
    for (let channel = 0; channel < 3; channel++) {
      const [from, to] = [low[channel] as number, high[channel] as number];
      table[step * 4 + channel] = Math.round(from + (to - from) * (position - index));
    }
    table[step * 4 + 3] = 255;
  }
  return table;
}

/**
 * Return the step of the table that shows a value: sign(v) min(|v|/range, 1)^curve, spread over the table.
 *
 * A diverging map has 0 in the middle; a sequential one begins there, and shows what is below 0 as 0. The shader of the
 * heatmap does the same.
 */
export function colourStep(value: number, kind: ColourMapKind, range: number, curve: number): number {
  const strength = Math.min(Math.abs(value) / range, 1) ** curve;
  const share = kind === "diverging" ? 0.5 + 0.5 * Math.sign(value) * strength : value > 0 ? strength : 0;
  return Math.floor(share * (COLOUR_STEPS - 1) + 0.5);
}
