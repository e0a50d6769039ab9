import { drawClockChange, drawHead, drawPriceAxis, drawTimeAxis, drawVersions } from "./axes";
import { drawCrosshair } from "./crosshair";
import { drawDelta, drawDeltaAxis } from "./delta-pane";
import { drawPastProjections, drawProjection } from "./fan";
import { drawFires, drawOrders, drawOthersFires } from "./fire-marks";
import { createHeatmap, type Heatmap } from "./heatmap";
import { drawMid, drawQuotes, drawTrades } from "./price-lines";
import type { Pointer, Scene } from "./scene";
import { drawLegend, drawScoreAxis, drawScores } from "./score-pane";
import { drawDepth, drawVolume } from "./side-profiles";
import { clipped, Surface } from "./surface";

/** The three canvases of the picture, one over the other: the cells, all that is drawn over them, and the crosshair. */
export class Stage {
  readonly heatmap: Heatmap;
  readonly #over: Surface;
  readonly #cursor: Surface;

  constructor(
    cells: HTMLCanvasElement,
    over: HTMLCanvasElement,
    cursor: HTMLCanvasElement,
    wanted: Heatmap["kind"] | null,
  ) {
    this.heatmap = createHeatmap(cells, wanted);
    this.#over = new Surface(over);
    this.#cursor = new Surface(cursor);
  }

  /** Draw all but the crosshair. */
  draw(scene: Scene, width: number, height: number): void {
    this.heatmap.draw(scene);
    const context = this.#over.begin(width, height);
    const { hidden, layout } = scene;
    drawTimeAxis(context, scene);
    clipped(context, layout.map, () => {
      if (!hidden.has("past")) drawPastProjections(context, scene);
      if (!hidden.has("projection")) drawProjection(context, scene);
      if (!hidden.has("quotes")) drawQuotes(context, scene);
      if (!hidden.has("trades")) drawTrades(context, scene);
      if (!hidden.has("quotes")) drawMid(context, scene);
      if (!hidden.has("fires")) {
        drawOthersFires(context, scene);
        drawOrders(context, scene);
        drawFires(context, scene);
      }
    });
    clipped(context, layout.score, () => drawScores(context, scene));
    clipped(context, layout.delta, () => drawDelta(context, scene));
    drawClockChange(context, scene);
    drawHead(context, scene);
    drawVersions(context, scene);
    clipped(context, layout.volume, () => drawVolume(context, scene));
    clipped(context, layout.depth, () => drawDepth(context, scene));
    drawPriceAxis(context, scene);
    drawScoreAxis(context, scene);
    drawDeltaAxis(context, scene);
    drawLegend(context, scene);
  }

  /** Draw the crosshair, or nothing. */
  drawCursor(scene: Scene | null, pointer: Pointer | null, width: number, height: number): void {
    const context = this.#cursor.begin(width, height);
    if (scene !== null && pointer !== null) drawCrosshair(context, scene, pointer);
  }
}
