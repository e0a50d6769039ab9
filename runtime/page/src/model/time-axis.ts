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

  /** `zone` is an IANA name, or "local"; one that does not exist becomes UTC. */
  constructor(zone: string) {
    this.zone = isZone(zone) ? zone : "UTC";
    const timeZone = this.zone === "local" ? {} : { timeZone: this.zone };
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
    this.#time = new Intl.DateTimeFormat("en-GB", { ...timeZone, ...time });
    this.#date = new Intl.DateTimeFormat("en-CA", { ...timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
    this.#name = new Intl.DateTimeFormat("en-GB", { ...timeZone, timeZoneName: "short" });
  }

  /** hh:mm:ss, with milliseconds where wanted. */
  time(at: Milliseconds, withMs = false): string {
    const whole = this.#time.format(at);
    return withMs ? `${whole}.${String(Math.floor(at) % SECOND).padStart(3, "0")}` : whole;
  }

  date(at: Milliseconds): string {
    return this.#date.format(at);
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

/** Return round times from `from` to `to`, at most `count` of them. */
export function timeMarks(from: Milliseconds, to: Milliseconds, count: number, clock: Clock): TimeMark[] {
  const step = STEPS.find((each) => (to - from) / each <= count) ?? Math.ceil((to - from) / count / HOUR) * HOUR;
  const marks: TimeMark[] = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    const whole = clock.time(time, step < SECOND);
    const short = step < SECOND ? whole.slice(6, -2) : step < MINUTE ? whole : whole.slice(0, 5);
    marks.push({ time, label: time % MINUTE === 0 ? whole.slice(0, 5) : short });
  }
  return marks;
}
