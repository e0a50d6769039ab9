import type { Rect } from "../model/scales";

/** A canvas whose pixels are those of the screen. */
export class Surface {
  readonly context: CanvasRenderingContext2D;

  constructor(readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("this browser draws no 2D canvas; use a current one");
    this.context = context;
  }

  /** Give the canvas its size in device pixels, and clear it. */
  begin(width: number, height: number): CanvasRenderingContext2D {
    fit(this.canvas, width, height);
    this.context.clearRect(0, 0, width, height);
    return this.context;
  }
}

export function fit(canvas: HTMLCanvasElement, width: number, height: number): void {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** Draw with nothing leaving a rectangle. */
export function clipped(context: CanvasRenderingContext2D, rect: Rect, draw: () => void): void {
  context.save();
  context.beginPath();
  context.rect(rect.x, rect.y, rect.width, rect.height);
  context.clip();
  draw();
  context.restore();
}

/** A text on a filled tag, such as the price at the crosshair. */
export function tag(context: CanvasRenderingContext2D, rect: Rect, text: string, fill: string, ink: string): void {
  context.fillStyle = fill;
  context.beginPath();
  context.roundRect(rect.x, rect.y, rect.width, rect.height, rect.height / 6);
  context.fill();
  context.fillStyle = ink;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, rect.x + rect.width / 2, rect.y + rect.height / 2 + 0.5, rect.width - 4);
}
