import { isPlain, type Plain, pieces, rowsOf } from "../model/evidence";
import { byId, make, setText } from "./dom";
import { KEYS } from "./keyboard";

const LONGEST_ANSWER = 2_000_000;

/** Show what was promoted, and on what evidence, as the server tells it. */
export async function showEvidence(address: string): Promise<void> {
  const dialog = byId("evidence", HTMLDialogElement);
  fill(dialog, "Served version and its evidence", make("p", {}, "Loading\u2026"));
  dialog.showModal();
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    const text = await answer.text();
    if (!answer.ok || text.length > LONGEST_ANSWER) throw new Error(`${answer.status} ${text.slice(0, 200)}`);
    fill(dialog, "Served version and its evidence", tree(JSON.parse(text)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    fill(dialog, "Served version and its evidence", make("p", { class: "critical" }, `Not available: ${reason}`));
  }
}

export function showHelp(): void {
  const dialog = byId("help", HTMLDialogElement);
  const keys = KEYS.map(([key, what]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)));
  const mouse = make(
    "p",
    {},
    "Drag to move, wheel to zoom in time, Shift and wheel, or the wheel over the prices, to zoom in price; double click for " +
      "back to now. The address holds the view: share it. threshold= and signal.NAME= in it score a model of your own beside. Scores of the others are drawn so that their thresholds lie at the champion's.",
  );
  fill(dialog, "Keys", make("dl", { class: "keys" }, ...keys), mouse);
  dialog.showModal();
}

function fill(dialog: HTMLDialogElement, title: string, ...content: HTMLElement[]): void {
  const close = make("button", { type: "button", "aria-label": "Close" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const head = make("div", { class: "head" }, make("h2", { id: `${dialog.id}-title` }, title), close);
  dialog.replaceChildren(head, make("div", { class: "content" }, ...content));
}

/** Any JSON as nested lists; a list of alike objects as a table. */
function tree(value: unknown): HTMLElement {
  if (isPlain(value)) return make("span", { class: "figure" }, ...withDigests(plainText(value)));
  const table = rowsOf(value);
  if (table !== null) {
    const head = make("tr", {}, ...table.columns.map((column) => make("th", { scope: "col" }, words(column))));
    const rows = table.rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, tree(cell)))));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
  }
  if (Array.isArray(value)) return make("ol", {}, ...value.map((each) => make("li", {}, tree(each))));
  const pairs = Object.entries(value as object).map(([name, each]) =>
    make("div", isPlain(each) ? {} : { class: "nested" }, make("dt", {}, words(name)), make("dd", {}, tree(each))),
  );
  return make("dl", { class: "tree" }, ...pairs);
}

function withDigests(text: string): (string | HTMLElement)[] {
  return pieces(text).map(({ text: shown, digest }) => (digest === null ? shown : digestButton(shown, digest)));
}

/** A digest by its first digits; a click shows all of them, and copies them where the browser lets it. */
function digestButton(short: string, digest: string): HTMLElement {
  const title = `${digest} (click to show and copy it)`;
  const button = make("button", { type: "button", class: "digest figure", title }, short);
  button.addEventListener("click", () => {
    setText(button, digest);
    // Over plain HTTP from another machine there is no clipboard: the digits are there to be selected.
    navigator.clipboard?.writeText(digest).catch(() => {});
  });
  return button;
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}

function plainText(value: Plain): string {
  if (value === null) return "\u2013";
  if (Array.isArray(value)) return value.map((each) => plainText(each as Plain)).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value);
}
