/** The few helpers that build and fill the document; data only ever becomes text. */

export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page should have #${id}, a ${kind.name}`);
  return found;
}

type Child = Node | string;

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Write a text where it differs: nothing is laid out anew, and nothing read out again, for the same text. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element: Element, name: string): void {
  if (element.className !== name) element.className = name;
}

/** A table whose rows are filled again and again without being made anew. */
export class FilledTable {
  readonly element: HTMLTableElement;
  readonly #body = make("tbody");

  /** The first column names the rows. */
  constructor(caption: string, columns: readonly string[]) {
    const heads = columns.map((column) => make("th", { scope: "col" }, column));
    const head = make("thead", {}, make("tr", {}, ...heads));
    this.element = make("table", {}, make("caption", { class: "unseen" }, caption), head, this.#body);
  }

  fill(rows: readonly (readonly Cell[])[]): void {
    while (this.#body.rows.length > rows.length) this.#body.deleteRow(-1);
    rows.forEach((cells, i) => {
      const row = this.#body.rows[i] ?? this.#body.insertRow();
      cells.forEach((cell, column) => {
        const element = row.cells[column] ?? row.appendChild(make(column === 0 ? "th" : "td"));
        if (column === 0) element.setAttribute("scope", "row");
        fillCell(element, typeof cell === "string" ? { text: cell, kind: "" } : cell);
      });
    });
  }
}

/** A text of a table, or one with a class, a smaller text under it, and a longer one behind it. */
export type Cell = string | StyledCell;

interface StyledCell {
  readonly text: string;
  readonly kind: string;
  readonly under?: string;
  readonly title?: string;
}

function fillCell(element: HTMLElement, { text, kind, under, title = "" }: StyledCell): void {
  if (under === undefined) setText(element, text);
  else {
    const [upper, lower] = element.children;
    if (upper === undefined || lower === undefined) element.replaceChildren(make("span"), make("small"));
    setText(element.children[0] as Element, text);
    setText(element.children[1] as Element, under);
  }
  setClass(element, kind);
  if (element.title !== title) element.title = title;
}
