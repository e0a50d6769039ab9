import { CHAMPION, type Fire, type FireState, SHADOW, stateAt } from "../model/fires";
import { xOf, yOf } from "../model/scales";
import type { Pixels } from "../model/units";
import { type Palette, rivalColour } from "./palette";
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
  const offset = layout.unit * 1.25;
  for (const fire of fires) {
    const x = xOf(fire.seq + 1, view, layout.map);
    const y = yOf(fire.mid / tickSize, view, layout.map) + fire.direction * offset;
    drawTriangle(context, scene, fire, x, y);
    if (fires.length <= MOST_LABELS) drawLabel(context, scene, fire, x, y);
  }
}

/**
 * The champion's resting orders at their price: a dashed line to a hollow ring while they rest, a line to a full dot
 * where they were filled, and to a cross where they never were.
 */
export function drawOrders(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, layout, tickSize, palette, head } = scene;
  const [size, left] = [layout.unit * 0.32, view.right - view.bins];
  for (const fire of scene.fires) {
    const { order } = fire;
    // An order may outlast the bin of its fire on the screen.
    if (order === null || fire.model !== CHAMPION || fire.seq > Math.min(view.right, head)) continue;
    if (order.endSeq !== null && order.endSeq < left) continue;
    // What came later than the playhead is not known there yet.
    const isResting = order.endSeq === null || order.endSeq > head;
    const end = isResting ? head : (order.endSeq as number);
    const from = xOf(fire.seq + 1, view, layout.map);
    const x = xOf(end + 1, view, layout.map);
    const y = yOf(order.price / tickSize, view, layout.map);
    context.save();
    context.lineWidth = Math.max(1, layout.unit / 9);
    context.strokeStyle = palette.text;
    context.fillStyle = isResting ? palette.paper : palette.text;
    const dash = isResting ? [layout.unit / 3, layout.unit / 4] : [];
    line(context, scene, dash, [from, y], [x, y]);
    if (isResting || order.state === "filled") {
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    } else {
      line(context, scene, [], [x - size, y - size], [x + size, y + size]);
      line(context, scene, [], [x - size, y + size], [x + size, y - size]);
    }
    context.restore();
  }
}

type Place = readonly [Pixels, Pixels];

/** A line that stands out on any colour. */
function line(context: CanvasRenderingContext2D, scene: Scene, dash: Pixels[], from: Place, to: Place): void {
  const { palette, layout } = scene;
  const width = Math.max(1, layout.unit / 9);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  for (const [colour, factor, dashes] of [[palette.halo, 3, []] as const, [palette.text, 1, dash] as const]) {
    context.strokeStyle = colour;
    context.lineWidth = width * factor;
    context.setLineDash([...dashes]);
    context.stroke();
  }
  context.setLineDash([]);
}

export function shownFires({ fires, view, head }: Scene, isWanted = isChampions): Fire[] {
  const [left, right] = [view.right - view.bins, Math.min(view.right, head)];
  return fires.filter((fire) => isWanted(fire) && fire.seq >= left && fire.seq <= right);
}

function isChampions({ model }: Fire): boolean {
  return model === CHAMPION;
}

/** The colour of a model that is scored beside the champion: the one of its line in the score. */
function modelColour({ palette, rivals }: Scene, model: string): string {
  if (model === SHADOW) return palette.projection;
  const index = rivals.findIndex(({ name }, i) => (name ?? `c${i + 1}`) === model);
  return index < 0 ? palette.muted : rivalColour(palette, index);
}

/**
 * The fires of challengers, and of the model of this page's own overrides: small triangles in the colours of their
 * models, farther from the mid than the champion's; filled where they were right, open while they are not decided.
 */
export function drawOthersFires(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, layout, tickSize, head, hidden, palette } = scene;
  const isWanted = ({ model }: Fire) => model === SHADOW || (model !== CHAMPION && !hidden.has("challengers"));
  const size = layout.unit * 0.36;
  context.lineWidth = Math.max(1, layout.unit / 9);
  for (const fire of shownFires(scene, isWanted)) {
    const x = xOf(fire.seq + 1, view, layout.map);
    const y = yOf(fire.mid / tickSize, view, layout.map) + fire.direction * layout.unit * 2.5;
    const colour = modelColour(scene, fire.model);
    trianglePath(context, x, y, size, fire.direction);
    context.fillStyle = stateAt(fire, head) === "tp" ? colour : palette.paper;
    context.strokeStyle = palette.halo;
    context.lineWidth = Math.max(2, layout.unit / 4);
    context.stroke();
    context.fill();
    context.strokeStyle = colour;
    context.lineWidth = Math.max(1, layout.unit / 9);
    context.stroke();
  }
}

function trianglePath(context: CanvasRenderingContext2D, x: Pixels, y: Pixels, size: Pixels, up: number): void {
  context.beginPath();
  context.moveTo(x, y - up * size);
  context.lineTo(x + size * 0.9, y + up * size * 0.7);
  context.lineTo(x - size * 0.9, y + up * size * 0.7);
  context.closePath();
}

export function drawTriangle(context: CanvasRenderingContext2D, scene: Scene, fire: Fire, x: Pixels, y: Pixels): void {
  const { layout, palette, head } = scene;
  const state = stateAt(fire, head);
  trianglePath(context, x, y, layout.unit * 0.55, fire.direction);
  context.lineWidth = Math.max(1, layout.unit / 9);
  context.fillStyle = state === "open" ? palette.paper : fireColour(palette, state);
  context.strokeStyle = state === "open" ? palette.text : palette.halo;
  context.fill();
  context.stroke();
}

function drawLabel(context: CanvasRenderingContext2D, scene: Scene, fire: Fire, x: Pixels, y: Pixels): void {
  const { layout, palette, head } = scene;
  const state = stateAt(fire, head);
  context.font = font(scene, 0.8, 600);
  context.textAlign = "center";
  context.textBaseline = "middle";
  const labelY = y + fire.direction * layout.unit * 0.95;
  context.lineWidth = layout.unit / 4;
  context.strokeStyle = palette.halo;
  context.strokeText(LABELS[state], x, labelY);
  context.fillStyle = fireColour(palette, state);
  context.fillText(LABELS[state], x, labelY);
}
