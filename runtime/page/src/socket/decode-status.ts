import type { Coming, Figures, ProjectionScores, Status } from "../model/protocol";
import { asNumberOrNull, asText, Reader } from "./checks";

/** Read how things stand, and how the models have been doing. */
export function status(fields: Reader): Status {
  const feed = fields.reader("feed");
  const statistics = fields.reader("statistics");
  return {
    type: "status",
    server_time_ns: fields.time("server_time_ns"),
    feed: {
      state: feed.text("state"),
      lag_ms: feed.optional("lag_ms", feed.number),
      last_event_ns: feed.optional("last_event_ns", feed.time),
      late_events: feed.optional("late_events", feed.whole) ?? 0,
      problem: feed.optional("problem", feed.text),
      recording: feed.optional("recording", feed.text),
    },
    bins_per_second: fields.optional("bins_per_second", fields.number),
    deadline_misses: fields.whole("deadline_misses"),
    deadline_misses_recent: fields.whole("deadline_misses_recent"),
    clients: fields.whole("clients"),
    ready: fields.flag("ready"),
    reasons: fields.list("reasons", asText),
    refusals: fields.optional("refusals", fields.object) ?? {},
    coming: fields.optional("coming", (name) => coming(fields.reader(name))),
    statistics: {
      champion: statistics.optional("champion", (name) => figures(statistics.reader(name))),
      challengers: statistics.list("challengers", (value, where) =>
        value === null ? null : figures(new Reader(value, where)),
      ),
      projection: statistics.optional("projection", (name) => projectionScores(statistics.reader(name))),
    },
  };
}

function coming(fields: Reader): Coming {
  return { version: fields.text("version"), bins_to_go: fields.optional("bins_to_go", fields.whole) };
}

/** Figures are numbers, null or missing; what else stands among them is let be. */
export function figures(fields: Reader): Figures {
  const found: Record<string, number | string | boolean | null> = {};
  for (const [name, value] of Object.entries(fields.all())) {
    if (name === "part") found[name] = fields.text(name);
    else if (name === "warm") found[name] = fields.flag(name);
    else if (value === null || typeof value === "number") found[name] = value;
  }
  return found;
}

function projectionScores(fields: Reader): ProjectionScores {
  return {
    coverage_50: fields.list("coverage_50", asNumberOrNull),
    coverage_90: fields.list("coverage_90", asNumberOrNull),
    pinball: fields.list("pinball", asNumberOrNull),
    n: fields.list("n", asNumberOrNull),
  };
}
