import { colourTable, type Theme } from "../model/colour-map";
import type { Settings } from "../model/settings";
import type { Palette } from "../render/palette";

const PREFERS_LIGHT = matchMedia("(prefers-color-scheme: light)");

/** Show a theme, and return its colours as the style sheet defines them. */
export function applyTheme(wanted: Settings["theme"]): Palette {
  const theme: Theme = wanted === "auto" ? (PREFERS_LIGHT.matches ? "light" : "dark") : wanted;
  const root = document.documentElement;
  root.dataset.theme = theme;
  // What the cells fade into is the lowest of their colours.
  const [red, green, blue] = colourTable("sequential", theme);
  const paper = `#${[red, green, blue].map((part) => (part ?? 0).toString(16).padStart(2, "0")).join("")}`;
  root.style.setProperty("--paper", paper);
  const style = getComputedStyle(root);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    theme,
    paper,
    panel: colour("panel"),
    text: colour("text"),
    muted: colour("muted"),
    rule: colour("rule"),
    mid: colour("mid"),
    halo: colour("halo"),
    bid: colour("bid"),
    ask: colour("ask"),
    accent: colour("accent"),
    projection: colour("projection"),
    good: colour("good"),
    bad: colour("bad"),
    neutral: colour("neutral"),
    invalid: colour("invalid"),
    warning: colour("mark"),
    rivals: [1, 2, 3, 4].map((i) => colour(`rival-${i}`)),
  };
}

export function onSystemTheme(changed: () => void): void {
  PREFERS_LIGHT.addEventListener("change", changed);
}
