import type { Rect } from "./scales";
import { clamp, type Pixels } from "./units";

/** Where the parts of the stage lie, in device pixels. The map and the score share their time axis. */
export interface Layout {
  readonly map: Rect;
  readonly profile: Rect;
  readonly priceAxis: Rect;
  readonly score: Rect;
  readonly legend: Rect;
  readonly scoreAxis: Rect;
  readonly timeAxis: Rect;
  /** The height of a line of text, which all distances follow. */
  readonly unit: Pixels;
}

const AXIS_UNITS = 5.2;
const TIME_UNITS = 1.8;
const GAP_UNITS = 0.5;

export function layoutOf(width: Pixels, height: Pixels, unit: Pixels): Layout {
  const axisWidth = Math.round(AXIS_UNITS * unit);
  const profileWidth = Math.round(clamp(width * 0.11, 6 * unit, 12 * unit));
  const mapWidth = Math.max(1, width - axisWidth - profileWidth);
  const timeHeight = Math.round(TIME_UNITS * unit);
  const gap = Math.round(GAP_UNITS * unit);
  const scoreHeight = Math.round(clamp(height * 0.22, 6 * unit, 15 * unit));
  const mapHeight = Math.max(1, height - timeHeight - scoreHeight - gap);
  const scoreY = mapHeight + gap;
  const axisX = mapWidth + profileWidth;
  return {
    map: { x: 0, y: 0, width: mapWidth, height: mapHeight },
    profile: { x: mapWidth, y: 0, width: profileWidth, height: mapHeight },
    priceAxis: { x: axisX, y: 0, width: axisWidth, height: mapHeight },
    score: { x: 0, y: scoreY, width: mapWidth, height: scoreHeight },
    legend: { x: mapWidth, y: scoreY, width: profileWidth, height: scoreHeight },
    scoreAxis: { x: axisX, y: scoreY, width: axisWidth, height: scoreHeight },
    timeAxis: { x: 0, y: scoreY + scoreHeight, width: mapWidth, height: timeHeight },
    unit,
  };
}
