import { CHAMPION, type Fire, type FireState } from "../model/fires";
import { xOf, yOf } from "../model/scales";
import type { Pixels } from "../model/units";
import type { Palette } from "./palette";
import { font, type Scene } from "./scene";

const MOST_LABELS = 40;
const LABELS: Record<FireState, string> = { open: "", tp: "TP", sl: "SL", timeout: "TO", skipped: "–" };

export function fireColour(palette: Palette, state: FireState): string {
  const colours = { open: palette.text, tp: palette.good, sl: palette.bad, timeout: palette.neutral };
  return state === "skipped" ? palette.neutral : colours[state];
}

/** The champion's fires at the mid: triangles that point where it expects price to go, filled once resolved. */
export function drawFires(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, layout, tickSize } = scene;
  const fires = shownFires(scene);
  const offset = layout.unit * 1.1;
  for (const fire of fires) {
    const x = xOf(fire.seq + 1, view, layout.map);
    const y = yOf(fire.mid / tickSize, view, layout.map) + fire.direction * offset;
    drawTriangle(context, scene, fire, x, y);
    if (fires.length <= MOST_LABELS) drawLabel(context, scene, fire, x, y);
  }
}

export function shownFires({ fires, view, head }: Scene): Fire[] {
  const [left, right] = [view.right - view.bins, Math.min(view.right, head)];
  return fires.filter((fire) => fire.model === CHAMPION && fire.seq >= left && fire.seq <= right);
}

export function drawTriangle(context: CanvasRenderingContext2D, scene: Scene, fire: Fire, x: Pixels, y: Pixels): void {
  const { layout, palette } = scene;
  const size = layout.unit * 0.5;
  const up = fire.direction;
  context.beginPath();
  context.moveTo(x, y - up * size);
  context.lineTo(x + size * 0.9, y + up * size * 0.7);
  context.lineTo(x - size * 0.9, y + up * size * 0.7);
  context.closePath();
  context.lineWidth = Math.max(1, layout.unit / 9);
  context.fillStyle = fire.state === "open" ? palette.paper : fireColour(palette, fire.state);
  context.strokeStyle = fire.state === "open" ? palette.text : palette.halo;
  context.fill();
  context.stroke();
}

function drawLabel(context: CanvasRenderingContext2D, scene: Scene, fire: Fire, x: Pixels, y: Pixels): void {
  const { layout, palette } = scene;
  context.font = font(scene, 0.8, 600);
  context.textAlign = "center";
  context.textBaseline = "middle";
  const labelY = y + fire.direction * layout.unit * 0.95;
  context.lineWidth = layout.unit / 4;
  context.strokeStyle = palette.halo;
  context.strokeText(LABELS[fire.state], x, labelY);
  context.fillStyle = fireColour(palette, fire.state);
  context.fillText(LABELS[fire.state], x, labelY);
}
