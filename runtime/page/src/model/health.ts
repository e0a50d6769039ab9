import type { Model, Status } from "./protocol";
import type { Milliseconds } from "./units";

export type Connection =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  | { readonly state: "waiting"; readonly retryAtMs: Milliseconds; readonly reason: string }
  | { readonly state: "refused"; readonly reason: string };

/** What is known of how things stand, by the browser's own clock. */
export interface Facts {
  readonly nowMs: Milliseconds;
  readonly connection: Connection;
  /** When anything, and when a bin, last came; null before the first. */
  readonly heardMs: Milliseconds | null;
  readonly binMs: Milliseconds | null;
  readonly status: Status | null;
  readonly bookValid: boolean | null;
  readonly binReady: boolean | null;
  readonly cellWidthMs: Milliseconds;
  readonly badFrames: number;
  readonly lastBadFrame: string | null;
  readonly missedBins: number;
  /** Whether the feed is a replay, which may be asked for more than a machine can do: it has no deadlines. */
  readonly isReplay: boolean;
  /** The champion; null before it is known. */
  readonly model: Model | null;
}

export type Severity = "critical" | "warning" | "info";

export interface Condition {
  readonly id: string;
  readonly severity: Severity;
  readonly text: string;
  /** What of it changes all the time, such as since when: shown beside, and not read out again and again. */
  readonly count?: string;
}

const SILENCE_MS = 3000;
const STALE_BINS = 20;
const STALE_MS = 2000;
const LAG_MS = 1000;

/** Return what a user has to know, the worst first; [] where all is well. */
export function conditions(facts: Facts): Condition[] {
  const found = facts.connection.state === "open" ? [...streamConditions(facts)] : [connectionCondition(facts)];
  return [...found, ...modelConditions(facts), ...frameConditions(facts)].sort(
    (a, b) => RANK[a.severity] - RANK[b.severity],
  );
}

const RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

function connectionCondition({ connection, nowMs, heardMs }: Facts): Condition {
  if (connection.state === "refused") return critical("refused", `Refused by the server: ${connection.reason}`);
  if (connection.state === "waiting") {
    const seconds = Math.max(0, Math.ceil((connection.retryAtMs - nowMs) / 1000));
    const count = seconds > 0 ? `trying again in ${seconds} s` : "trying again";
    return critical("disconnected", `Disconnected: ${connection.reason}. The display is frozen.`, count);
  }
  return heardMs === null
    ? { id: "connecting", severity: "info", text: "Connecting" }
    : critical("disconnected", "Disconnected: trying again. The display is frozen.");
}

function* streamConditions(facts: Facts): Generator<Condition> {
  const { nowMs, heardMs, binMs, status, cellWidthMs } = facts;
  if (heardMs !== null && nowMs - heardMs > SILENCE_MS) {
    yield critical("stale", "Stale: no message from the server. The display is frozen.", seconds(nowMs - heardMs));
    return;
  }
  if (status !== null) yield* statusConditions(status, facts.isReplay);
  const bound = Math.max(STALE_MS, STALE_BINS * cellWidthMs);
  const isExpected = status === null || status.feed.state === "live";
  if (isExpected && binMs !== null && nowMs - binMs > bound) {
    yield critical("stale", "Stale: no new bins. The display is frozen.", seconds(nowMs - binMs));
  }
  if (facts.bookValid === false)
    yield critical("book", "Book invalid: crossed, empty or one-sided. No score is computed.");
  else if (facts.binReady === false && status?.ready !== false)
    yield warning("warmup", "Not ready: the model is warming up.");
}

const FEED_TEXT: Record<string, [Severity, string]> = {
  connecting: ["warning", "Feed connecting"],
  silent: ["critical", "Feed silent: no data from the source"],
  disconnected: ["critical", "Feed disconnected"],
  ended: ["warning", "Feed ended: nothing more comes"],
  paused: ["warning", "Feed paused"],
};

function* statusConditions(status: Status, isReplay: boolean): Generator<Condition> {
  const { feed, reasons, statistics } = status;
  const [severity, text] = FEED_TEXT[feed.state] ?? [null, ""];
  const isLate = !isReplay && status.deadline_misses_recent > 0;
  if (!status.ready) {
    const isPassing = statistics.champion?.warm === false || isLate;
    const how = severity ?? (isPassing ? "warning" : "critical");
    yield { id: "ready", severity: how, text: `Not ready: ${reasons.join("; ") || text || "no reason is given"}.` };
  } else {
    if (severity !== null)
      yield { id: "feed", severity, text: `${text}${feed.problem === null ? "" : `: ${feed.problem}`}.` };
    const late = times(status.deadline_misses_recent);
    if (isLate) yield warning("deadline", "Deadlines were missed in the last 10 s: the server is too slow.", late);
  }
  if (feed.lag_ms !== null && feed.lag_ms > LAG_MS) yield warning("lag", "The feed lags behind.", seconds(feed.lag_ms));
  if (feed.recording !== null && feed.recording !== "on") yield warning("recording", `Not recorded: ${feed.recording}`);
  for (const [version, why] of Object.entries(status.refusals)) {
    yield warning("refusal", `Version ${version} is promoted and cannot be served: ${why}`);
  }
}

function* modelConditions({ model, status, cellWidthMs }: Facts): Generator<Condition> {
  if (model !== null && model.unsafe.length > 0) {
    const gates = model.unsafe.join(" and ");
    yield warning(
      "unsafe",
      `Unsafe: promoted without ${gates}, so that it may not be what was run. ${model.forced ?? ""}`,
    );
  }
  const coming = status?.coming ?? null;
  if (coming !== null && coming.bins_to_go !== 0) {
    const left = coming.bins_to_go === null ? "" : seconds(coming.bins_to_go * cellWidthMs);
    yield {
      id: "coming",
      severity: "info",
      text: `Version ${coming.version} follows the feed until it is ready.`,
      count: left,
    };
  }
}

function* frameConditions({ badFrames, lastBadFrame, missedBins }: Facts): Generator<Condition> {
  if (badFrames > 0) yield warning("frame", `Bad frame: ${lastBadFrame ?? ""}`, times(badFrames));
  if (missedBins > 0) yield warning("missed", "Too slow for the feed: bins were left out.", String(missedBins));
}

function critical(id: string, text: string, count = ""): Condition {
  return { id, severity: "critical", text, count };
}

function warning(id: string, text: string, count = ""): Condition {
  return { id, severity: "warning", text, count };
}

function seconds(ms: Milliseconds): string {
  return `${ms < 10_000 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
