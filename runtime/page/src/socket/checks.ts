/** Checks of foreign values: what was expected, what was found, and where. */

export class ProtocolError extends Error {
  override name = "ProtocolError";
}

type Fields = Record<string, unknown>;

export function fail(where: string, expected: string, found: unknown): never {
  const text = found === undefined ? "nothing" : (JSON.stringify(found) ?? String(found));
  throw new ProtocolError(`${where} should be ${expected}, not ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the members of one JSON object, each with its check; `where` says which object in messages. */
export class Reader {
  readonly #fields: Fields;

  constructor(
    value: unknown,
    readonly where: string,
  ) {
    if (!isFields(value)) fail(where, "an object", value);
    this.#fields = value;
  }

  all(): Readonly<Fields> {
    return this.#fields;
  }

  raw(name: string): unknown {
    return this.#fields[name];
  }

  number(name: string): number {
    const value = this.raw(name);
    if (typeof value !== "number" || !Number.isFinite(value)) fail(this.path(name), "a number", value);
    return value;
  }

  whole(name: string, least = 0): number {
    const value = this.raw(name);
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      fail(this.path(name), `a whole number of at least ${least}`, value);
    }
    return value as number;
  }

  text(name: string): string {
    const value = this.raw(name);
    if (typeof value !== "string") fail(this.path(name), "a text", value);
    return value;
  }

  flag(name: string): boolean {
    const value = this.raw(name);
    if (typeof value !== "boolean") fail(this.path(name), "true or false", value);
    return value;
  }

  /** Nanoseconds as a decimal text. */
  time(name: string): string {
    const value = this.raw(name);
    if (typeof value !== "string" || !/^-?\d{1,19}$/.test(value)) fail(this.path(name), "nanoseconds as a text", value);
    return value;
  }

  direction(name: string): -1 | 0 | 1 {
    const value = this.raw(name);
    if (value !== -1 && value !== 0 && value !== 1) fail(this.path(name), "-1, 0 or 1", value);
    return value;
  }

  list<T>(name: string, each: (value: unknown, where: string) => T, most = 10_000): T[] {
    const value = this.raw(name);
    if (!Array.isArray(value) || value.length > most) fail(this.path(name), `a list of at most ${most}`, value);
    return value.map((item, i) => each(item, `${this.path(name)}[${i}]`));
  }

  object(name: string): Fields {
    const value = this.raw(name);
    if (!isFields(value)) fail(this.path(name), "an object", value);
    return value;
  }

  reader(name: string): Reader {
    return new Reader(this.raw(name), this.path(name));
  }

  /** What `read` gives; null where the member is null or missing. */
  optional<T>(name: string, read: (name: string) => T): T | null {
    const value = this.raw(name);
    return value === null || value === undefined ? null : read.call(this, name);
  }

  path(name: string): string {
    return `${this.where}.${name}`;
  }
}

export function asNumber(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) fail(where, "a number", value);
  return value;
}

export function asNumberOrNull(value: unknown, where: string): number | null {
  return value === null ? null : asNumber(value, where);
}

export function asText(value: unknown, where: string): string {
  if (typeof value !== "string") fail(where, "a text", value);
  return value;
}
