import { contains } from "../model/scales";
import type { Pixels } from "../model/units";
import { flagWidth, versionFlag, versionMarks } from "../render/axes";
import type { Page } from "./page";

const ZOOM_A_NOTCH = 1.15;
const NOTCH = 100;
const CLICK_PIXELS = 4;

/** Mouse, pen and finger on the stage: drag to move, wheel to zoom, a click on a version's flag for its evidence. */
export function listenToPointer(stage: HTMLElement, page: Page, openEvidence: () => void): void {
  const place = (event: MouseEvent): [Pixels, Pixels] => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) * devicePixelRatio, (event.clientY - box.top) * devicePixelRatio];
  };
  let held: { x: Pixels; y: Pixels; moved: Pixels } | null = null;

  stage.addEventListener("pointerdown", (event) => {
    const [x, y] = place(event);
    if (event.button !== 0 || event.target instanceof HTMLButtonElement) return;
    if (!contains(page.layout.map, x, y) && !contains(page.layout.score, x, y)) return;
    held = { x, y, moved: 0 };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    const isInside = contains(page.layout.map, x, y) || contains(page.layout.score, x, y);
    if (held !== null) {
      const isOnMap = contains(page.layout.map, held.x, held.y);
      held.moved += Math.abs(x - held.x) + Math.abs(y - held.y);
      // A hand that trembles on a click is no drag; in the score only time can be moved.
      if (held.moved > CLICK_PIXELS * devicePixelRatio)
        page.drag(x - held.x, isOnMap && !event.shiftKey ? y - held.y : 0);
      held = { x, y, moved: held.moved };
    }
    if (isInside) page.pointAt(x, y);
    else page.pointNowhere();
  });
  stage.addEventListener("pointerup", (event) => {
    const [x, y] = place(event);
    if (held !== null && held.moved <= CLICK_PIXELS * devicePixelRatio && isOnFlag(page, x, y)) openEvidence();
    held = null;
  });
  stage.addEventListener("pointercancel", () => {
    held = null;
  });
  stage.addEventListener("pointerleave", () => page.pointNowhere());
  stage.addEventListener("dblclick", () => page.backToLive());
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const [x, y] = place(event);
      const factor = ZOOM_A_NOTCH ** (-(event.deltaY + event.deltaX) / NOTCH);
      const isOnPrices = contains(page.layout.priceAxis, x, y) || event.shiftKey || event.ctrlKey;
      if (isOnPrices) page.zoom(1, factor, undefined, y);
      else page.zoom(factor, 1, page.view.followsTime ? undefined : x);
    },
    { passive: false },
  );
}

function isOnFlag(page: Page, x: Pixels, y: Pixels): boolean {
  const scene = page.scene();
  if (scene === null) return false;
  return versionMarks(scene).some(({ seq, version }) =>
    contains(versionFlag(scene, seq, flagWidth(scene, version)), x, y),
  );
}
