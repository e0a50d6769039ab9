import type { Milliseconds } from "./units";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEPS: readonly Milliseconds[] = [
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((n) => n * HOUR),
];

export interface TimeMark {
  readonly time: Milliseconds;
  readonly label: string;
}

/** Writes times in one zone. */
export class Clock {
  readonly zone: string;
  readonly #time: Intl.DateTimeFormat;
  readonly #date: Intl.DateTimeFormat;
  readonly #name: Intl.DateTimeFormat;
  readonly #offset: Intl.DateTimeFormat;

  /** `zone` is an IANA name, or "local"; one that does not exist becomes UTC. */
  constructor(zone: string) {
    this.zone = isZone(zone) ? zone : "UTC";
    const timeZone = this.zone === "local" ? {} : { timeZone: this.zone };
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
    this.#time = new Intl.DateTimeFormat("en-GB", { ...timeZone, ...time });
    this.#date = new Intl.DateTimeFormat("en-CA", { ...timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
    this.#name = new Intl.DateTimeFormat("en-GB", { ...timeZone, timeZoneName: "short" });
    this.#offset = new Intl.DateTimeFormat("en-GB", { ...timeZone, timeZoneName: "longOffset" });
  }

  /** hh:mm:ss, with milliseconds where wanted. */
  time(at: Milliseconds, withMs = false): string {
    const whole = this.#time.format(at);
    return withMs ? `${whole}.${String(Math.floor(at) % SECOND).padStart(3, "0")}` : whole;
  }

  date(at: Milliseconds): string {
    return this.#date.format(at);
  }

  /** How far the zone's clocks are ahead of UTC at a time. */
  offsetMs(at: Milliseconds): Milliseconds {
    const text = this.#offset.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? "";
    const [, sign, hours, minutes = "0"] = /GMT([+-])(\d+)(?::(\d+))?/.exec(text) ?? [];
    if (sign === undefined) return 0;
    return (sign === "-" ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * MINUTE);
  }

  /** The zone's short name at a time, such as UTC, CET or GMT-6. */
  name(at: Milliseconds): string {
    return this.#name.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? this.zone;
  }
}

export function isZone(zone: string): boolean {
  if (zone === "local") return true;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** The moment from which on clocks show another time, and by how much they are moved. */
export interface ClockChange {
  readonly time: Milliseconds;
  readonly byMs: Milliseconds;
  readonly label: string;
}

/** Return the change of the clocks between two times, such as the begin of summer time; null where there is none. */
export function clockChange(from: Milliseconds, to: Milliseconds, clock: Clock): ClockChange | null {
  if (clock.zone === "UTC") return null;
  const before = clock.offsetMs(from);
  const byMs = clock.offsetMs(to) - before;
  if (byMs === 0) return null;
  let [low, high] = [from, to];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (clock.offsetMs(middle) === before) low = middle;
    else high = middle;
  }
  const hours = Math.abs(byMs) / HOUR;
  const moved = `${byMs > 0 ? "+" : "\u2212"}${Number(hours.toFixed(2))}\u202fh`;
  return { time: high, byMs, label: `${clock.name(from)} \u2192 ${clock.name(to)}, clocks ${moved}` };
}

/** Return round times from `from` to `to`, at most `count` of them: round as clocks of the zone show them. */
export function timeMarks(from: Milliseconds, to: Milliseconds, count: number, clock: Clock): TimeMark[] {
  const step = STEPS.find((each) => (to - from) / each <= count) ?? Math.ceil((to - from) / count / HOUR) * HOUR;
  // A minute is a minute everywhere; hours and half hours are not those of UTC in every zone.
  const change = step < 15 * MINUTE ? null : clockChange(from, to, clock);
  if (change === null) return marksBetween(from, to, step, step < 15 * MINUTE ? 0 : clock.offsetMs(from), clock);
  const [before, after] = [clock.offsetMs(from), clock.offsetMs(change.time)];
  return [
    ...marksBetween(from, change.time - 1, step, before, clock),
    ...marksBetween(change.time, to, step, after, clock),
  ];
}

function marksBetween(
  from: Milliseconds,
  to: Milliseconds,
  step: Milliseconds,
  offset: Milliseconds,
  clock: Clock,
): TimeMark[] {
  const marks: TimeMark[] = [];
  for (let time = Math.ceil((from + offset) / step) * step - offset; time <= to; time += step) {
    const whole = clock.time(time, step < SECOND);
    const short = step < SECOND ? whole.slice(6, -2) : step < MINUTE ? whole : whole.slice(0, 5);
    marks.push({ time, label: time % MINUTE === 0 ? whole.slice(0, 5) : short });
  }
  return marks;
}
