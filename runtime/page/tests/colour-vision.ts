/**
 * How colours look to people who lack one kind of cone, and how far apart they look: the simulation of Machado, Oliveira
 * and Fernandes (2009) at full severity, in linear RGB, and the distance in CIE L*a*b* (D65), where about 2 is just seen.
 */

export type Colour = readonly [number, number, number];
type Matrix = readonly [Colour, Colour, Colour];

export const VISIONS: Readonly<Record<string, Matrix>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};

const TO_XYZ: Matrix = [
  [0.4124564, 0.3575761, 0.1804375],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339, 0.119192, 0.9503041],
];
const WHITE: Colour = [0.95047, 1, 1.08883];

/** Return the distance of two colours, red, green and blue from 0 to 255, as somebody with a kind of vision sees them. */
export function distance(first: Colour, second: Colour, vision: string): number {
  const [a, b] = [lab(first, vision), lab(second, vision)];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** Return how light a colour looks, from 0 to 100. */
export function lightness(colour: Colour): number {
  return lab(colour, "normal")[0];
}

function lab(colour: Colour, vision: string): Colour {
  const seen = times(VISIONS[vision] as Matrix, colour.map(linear) as unknown as Colour);
  const xyz = times(TO_XYZ, seen.map((part) => Math.min(Math.max(part, 0), 1)) as unknown as Colour);
  const [x, y, z] = xyz.map((part, i) => cube(part / (WHITE[i] as number))) as [number, number, number];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function times(matrix: Matrix, [r, g, b]: Colour): Colour {
  const row = ([x, y, z]: Colour) => x * r + y * g + z * b;
  return [row(matrix[0]), row(matrix[1]), row(matrix[2])];
}

function linear(part: number): number {
  const share = part / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function cube(part: number): number {
  return part > 216 / 24389 ? Math.cbrt(part) : (24389 / 27 / 116) * part + 16 / 116;
}
