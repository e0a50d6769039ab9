/** What a table of evidence is made of, however the server arranges it. */

export type Plain = string | number | boolean | null | readonly (string | number | boolean | null)[];

export interface Rows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

const MOST_PLAIN = 12;

/** Whether a value reads as one line: a scalar, or a short list of them. */
export function isPlain(value: unknown): value is Plain {
  if (Array.isArray(value)) return value.length <= MOST_PLAIN && value.every((each) => isScalar(each));
  return isScalar(value);
}

/** Return a list of objects as a table of all their members; null for anything else. */
export function rowsOf(value: unknown): Rows | null {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return null;
  const columns = [...new Set(value.flatMap((row) => Object.keys(row)))];
  return { columns, rows: value.map((row) => columns.map((column) => row[column] ?? null)) };
}

function isScalar(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const DIGEST = /\b[0-9a-f]{32,}\b/g;
const SHOWN_DIGITS = 12;

/** A piece of a text: words, or a digest with its first digits, by which it is told apart from others. */
export interface Piece {
  readonly text: string;
  readonly digest: string | null;
}

/** Return a text in pieces, with its long digests cut short. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const { 0: digest, index } of text.matchAll(DIGEST)) {
    if (index > end) found.push({ text: text.slice(end, index), digest: null });
    found.push({ text: `${digest.slice(0, SHOWN_DIGITS)}\u2026`, digest });
    end = index + digest.length;
  }
  if (end < text.length || found.length === 0) found.push({ text: text.slice(end), digest: null });
  return found;
}
