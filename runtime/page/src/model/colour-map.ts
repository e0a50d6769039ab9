/**
 * Colour maps that the colour-blind can read. Blue and orange mean bid and ask on the whole page, so what is neither
 * has other hues: violet to green around a neutral middle, and one hue that grows lighter.
 */

export type Theme = "dark" | "light";
export type ColourMapKind = "sides" | "diverging" | "sequential";
export type ColourScale = "linear" | "log";
export type Rgb = readonly [number, number, number];

export const COLOUR_STEPS = 256;

/** Stops at equal distances, from the lowest value to the highest. The middle or the lowest is the paper itself. */
const STOPS: Record<Theme, Record<ColourMapKind, readonly Rgb[]>> = {
  dark: {
    sides: [
      [206, 234, 255],
      [74, 160, 248],
      [28, 92, 168],
      [18, 44, 82],
      [13, 17, 23],
      [70, 36, 14],
      [148, 76, 16],
      [240, 138, 34],
      [255, 228, 176],
    ],
    diverging: [
      [228, 200, 255],
      [150, 98, 226],
      [70, 42, 122],
      [13, 17, 23],
      [32, 82, 44],
      [96, 182, 78],
      [216, 246, 170],
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
    sides: [
      [6, 38, 92],
      [28, 100, 176],
      [112, 170, 218],
      [196, 220, 240],
      [255, 255, 255],
      [252, 224, 192],
      [242, 172, 100],
      [204, 96, 8],
      [110, 42, 2],
    ],
    diverging: [
      [58, 18, 108],
      [118, 72, 184],
      [188, 166, 222],
      [255, 255, 255],
      [172, 214, 158],
      [66, 142, 58],
      [10, 70, 26],
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

/** A logarithmic scale shows a hundredth of its range as one part in seven, and a tenth as one in two. */
export const LOG_SPAN = 99;

/** Return how strong a value's colour is, from 0 to 1: min(|v|/range, 1), or ln(1 + 99 of that)/ln 100, to the power `curve`. */
export function colourStrength(value: number, range: number, curve: number, scale: ColourScale): number {
  const part = Math.min(Math.abs(value) / range, 1);
  return (scale === "log" ? Math.log1p(part * LOG_SPAN) / Math.log1p(LOG_SPAN) : part) ** curve;
}

/**
 * Return the step of the table that shows a value: its sign times its strength, spread over the table.
 *
 * A map with two ends has 0 in the middle; a sequential one begins there, and shows what is below 0 as 0. The shader of
 * the heatmap does the same.
 */
export function colourStep(
  value: number,
  kind: ColourMapKind,
  range: number,
  curve: number,
  scale: ColourScale = "linear",
): number {
  const strength = colourStrength(value, range, curve, scale);
  const share = kind !== "sequential" ? 0.5 + 0.5 * Math.sign(value) * strength : value > 0 ? strength : 0;
  return Math.floor(share * (COLOUR_STEPS - 1) + 0.5);
}
