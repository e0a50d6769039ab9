import type { Claim, Coming, Figures, ProjectionScores, Status } from "../model/protocol";
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
      shadow: statistics.optional("shadow", (name) => figures(statistics.reader(name))),
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
  const said = fields.optional("claim", (name) => claim(fields.reader(name)));
  return said === null ? found : { ...found, claim: said };
}

function claim(fields: Reader): Claim {
  return {
    says: fields.text("says"),
    mean: fields.optional("mean", fields.number),
    low: fields.optional("low", fields.number),
    high: fields.optional("high", fields.number),
    n_blocks: fields.whole("n_blocks"),
    promised_low: fields.optional("promised_low", fields.number),
    promised_high: fields.optional("promised_high", fields.number),
  };
}

function projectionScores(fields: Reader): ProjectionScores {
  return {
    coverage_50: fields.list("coverage_50", asNumberOrNull),
    coverage_90: fields.list("coverage_90", asNumberOrNull),
    pinball: fields.list("pinball", asNumberOrNull),
    n: fields.list("n", asNumberOrNull),
    coverage_50_says: fields.optional("coverage_50_says", (name) => fields.list(name, asText)) ?? [],
    coverage_90_says: fields.optional("coverage_90_says", (name) => fields.list(name, asText)) ?? [],
  };
}
