import type { Rect } from "./scales";
import { clamp, type Pixels } from "./units";

/** Where the parts of the stage lie, in device pixels. The map, the score and the volume delta share their time axis. */
export interface Layout {
  readonly map: Rect;
  /** Beside the map, on its prices: what was executed, and what rests. */
  readonly volume: Rect;
  readonly depth: Rect;
  readonly priceAxis: Rect;
  readonly score: Rect;
  readonly legend: Rect;
  readonly scoreAxis: Rect;
  /** Of no height where volume is hidden. */
  readonly delta: Rect;
  readonly deltaAxis: Rect;
  readonly timeAxis: Rect;
  /** The height of a line of text, which all distances follow. */
  readonly unit: Pixels;
}

const AXIS_UNITS = 5.2;
const TIME_UNITS = 1.8;
const GAP_UNITS = 0.5;

export function layoutOf(width: Pixels, height: Pixels, unit: Pixels, hasVolume = true): Layout {
  const axisWidth = Math.round(AXIS_UNITS * unit);
  const sideWidth = Math.round(clamp(width * 0.075, 4.5 * unit, 9 * unit));
  const volumeWidth = hasVolume ? sideWidth : 0;
  const mapWidth = Math.max(1, width - axisWidth - sideWidth - volumeWidth);
  const timeHeight = Math.round(TIME_UNITS * unit);
  const gap = Math.round(GAP_UNITS * unit);
  const scoreHeight = Math.round(clamp(height * 0.16, 4.5 * unit, 12 * unit));
  const deltaHeight = hasVolume ? Math.round(clamp(height * 0.11, 3 * unit, 8 * unit)) : 0;
  const below = timeHeight + scoreHeight + gap + (hasVolume ? deltaHeight + gap : 0);
  const mapHeight = Math.max(1, height - below);
  const scoreY = mapHeight + gap;
  const deltaY = scoreY + scoreHeight + (hasVolume ? gap : 0);
  const axisX = mapWidth + volumeWidth + sideWidth;
  const beside = (x: Pixels, width: Pixels): Rect => ({ x, y: 0, width, height: mapHeight });
  return {
    map: beside(0, mapWidth),
    volume: beside(mapWidth, volumeWidth),
    depth: beside(mapWidth + volumeWidth, sideWidth),
    priceAxis: beside(axisX, axisWidth),
    score: { x: 0, y: scoreY, width: mapWidth, height: scoreHeight },
    legend: { x: mapWidth, y: scoreY, width: volumeWidth + sideWidth, height: scoreHeight },
    scoreAxis: { x: axisX, y: scoreY, width: axisWidth, height: scoreHeight },
    delta: { x: 0, y: deltaY, width: mapWidth, height: deltaHeight },
    deltaAxis: { x: mapWidth, y: deltaY, width: width - mapWidth, height: deltaHeight },
    timeAxis: { x: 0, y: deltaY + deltaHeight, width: mapWidth, height: timeHeight },
    unit,
  };
}
