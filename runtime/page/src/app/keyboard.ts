import { FIELDS } from "../model/fields";
import { xOf, yOf } from "../model/scales";
import type { Page } from "./page";

/** The keys as the help shows them. */
export const KEYS: readonly (readonly [string, string])[] = [
  ["Space", "Pause, or resume at the newest bin"],
  ["\u2190 \u2192", "Step a bin back or ahead; ten with Shift"],
  ["\u2191 \u2193", "Move in price"],
  ["+ \u2212", "Zoom in time; in price with Shift"],
  ["L", "Back to now: follow time and price"],
  ["A", "Fit the prices to what is quoted, on and off"],
  [`1\u2013${FIELDS.length}`, "Show a field; F for the next one"],
  ["[ ]", "Weaker or stronger colours"],
  ["Alt + arrows", "Move the crosshair by a cell; Esc takes it away"],
  ["E", "The promoted version and its evidence"],
  ["T", "Dark or light"],
  ["?", "This help"],
];

interface Dialogs {
  readonly evidence: () => void;
  readonly help: () => void;
}

/** Keys work wherever the focus is, except where a control or a dialog needs them itself. */
export function listenToKeys(page: Page, dialogs: Dialogs): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || isBusy(event)) return;
    if (event.altKey ? moveCrosshair(page, event.key) : act(page, dialogs, event)) event.preventDefault();
  });
}

function isBusy({ target, key }: KeyboardEvent): boolean {
  if (document.querySelector("dialog[open]") !== null) return true;
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLButtonElement && (key === " " || key === "Enter");
}

function act(page: Page, dialogs: Dialogs, { key, shiftKey }: KeyboardEvent): boolean {
  const step = shiftKey ? 10 : 1;
  const actions: Record<string, () => void> = {
    " ": () => page.pauseOrResume(),
    ArrowLeft: () => page.step(-step),
    ArrowRight: () => page.step(step),
    ArrowUp: () => page.panPrice(Math.max(1, page.view.ticks / 20) * step),
    ArrowDown: () => page.panPrice(-Math.max(1, page.view.ticks / 20) * step),
    Home: () => page.goTo(page.session.store?.first ?? null),
    End: () => page.backToLive(),
    l: () => page.backToLive(),
    a: () => page.fitOrFix(),
    // With Shift, + and - of most keyboards are * and _.
    "+": () => (shiftKey ? page.zoom(1, 1.25) : page.zoom(1.25, 1)),
    "=": () => page.zoom(1.25, 1),
    "*": () => page.zoom(1, 1.25),
    "-": () => page.zoom(1 / 1.25, 1),
    _: () => page.zoom(1, 1 / 1.25),
    "[": () => page.scaleRange(1.25),
    "]": () => page.scaleRange(1 / 1.25),
    f: () => page.cycleField(shiftKey ? -1 : 1),
    t: () => page.change({ theme: page.palette.theme === "dark" ? "light" : "dark" }),
    e: dialogs.evidence,
    "?": dialogs.help,
    Escape: () => page.pointNowhere(),
  };
  const field = FIELDS[Number(key) - 1];
  const action = field === undefined ? actions[key.length === 1 ? key.toLowerCase() : key] : undefined;
  if (field !== undefined) page.change({ field: field.name, curve: null });
  action?.();
  return field !== undefined || action !== undefined;
}

const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

function moveCrosshair(page: Page, key: string): boolean {
  const [move, head] = [MOVES[key], page.head];
  if (move === undefined || head === null) return false;
  const { map } = page.layout;
  const from = page.pointer ?? { seq: head, tick: Math.round(page.view.centre) };
  const [seq, tick] = [from.seq + move[0], from.tick + move[1]];
  page.pointAt(xOf(seq + 0.5, page.view, map), yOf(tick, page.view, map));
  return true;
}
