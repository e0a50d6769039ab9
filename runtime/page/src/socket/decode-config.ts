import {
  type Figures,
  type Fit,
  type Model,
  PROTOCOL,
  type ProjectionShape,
  type Rival,
  type RuntimeConfig,
} from "../model/protocol";
import { asNumber, asText, fail, Reader } from "./checks";
import { figures } from "./decode-status";

const MOST_CELLS = 2001;

/** Read what is served, and how its bins are shaped. */
export function runtimeConfig(fields: Reader): RuntimeConfig {
  const protocol = fields.whole("protocol");
  if (protocol !== PROTOCOL) fail(fields.path("protocol"), `${PROTOCOL}, which this page reads`, protocol);
  const radius = fields.whole("radius", 1);
  if (2 * radius + 1 > MOST_CELLS) fail(fields.path("radius"), `under ${MOST_CELLS / 2}`, radius);
  return {
    type: "runtime_config",
    protocol,
    stream: fields.text("stream"),
    reason: fields.text("reason"),
    reset: fields.flag("reset"),
    instrument: fields.text("instrument"),
    tick_size: positive(fields, "tick_size"),
    size_unit: fields.optional("size_unit", fields.number),
    cell_width_ms: positive(fields, "cell_width_ms"),
    radius,
    columns: fields.list("columns", asText),
    fields: fields.list("fields", asText),
    schema: fields.optional("schema", fields.text),
    model: model(fields.reader("model")),
    evaluation: fields.object("evaluation"),
    projection: fields.optional("projection", (name) => projectionShape(fields.reader(name))),
    promised: fields.optional("promised", (name) => promised(fields.reader(name))),
    challengers: fields.list("challengers", rival, 16),
    shadow: fields.optional("shadow", (name) => rival(fields.raw(name), fields.path(name))),
    feed: feedFacts(fields.reader("feed")),
    buffer: buffer(fields.reader("buffer")),
    resumed: fields.optional("resumed", fields.text),
  };
}

function positive(fields: Reader, name: string): number {
  const value = fields.number(name);
  return value > 0 ? value : fail(fields.path(name), "more than 0", value);
}

function model(fields: Reader): Model {
  return {
    version: fields.text("version"),
    signal: fields.text("signal"),
    parameters: fields.object("parameters"),
    threshold: fields.number("threshold"),
    warmup_bins: fields.whole("warmup_bins"),
    cooldown_bins: fields.whole("cooldown_bins"),
    forced: fields.optional("forced", fields.text),
    unsafe: fields.optional("unsafe", (name) => fields.list(name, asText)) ?? [],
    fit: fields.optional("fit", (name) => fit(fields.reader(name))),
  };
}

function fit(fields: Reader): Fit {
  return {
    model: fields.text("model"),
    dataset: fields.text("dataset"),
    fitted_at_ns: fields.time("fitted_at_ns"),
    training_bins: fields.whole("training_bins"),
    training_loss: fields.number("training_loss"),
  };
}

function rival(value: unknown, where: string): Rival {
  const fields = new Reader(value, where);
  const name = fields.optional("name", fields.text);
  const parameters = fields.optional("parameters", fields.object) ?? {};
  const found = { signal: fields.text("signal"), parameters, threshold: fields.number("threshold") };
  return name === null ? found : { name, ...found };
}

function projectionShape(fields: Reader): ProjectionShape {
  const shape = {
    horizons_bins: fields.list("horizons_bins", asNumber, 64),
    quantiles: fields.list("quantiles", asNumber, 64),
  };
  if (shape.quantiles.length === 0) fail(fields.path("quantiles"), "at least one", shape.quantiles);
  return shape;
}

function feedFacts(fields: Reader): RuntimeConfig["feed"] {
  return {
    name: fields.optional("name", (name) => fields.text(name)),
    kind: fields.text("kind"),
    speed: fields.optional("speed", fields.number),
    live: fields.flag("live"),
  };
}

function buffer(fields: Reader): RuntimeConfig["buffer"] {
  return {
    bins: fields.whole("bins"),
    first_seq: fields.optional("first_seq", fields.number),
    next_seq: fields.optional("next_seq", fields.number),
  };
}

/** What was promised by the part that the model had not seen, where that was opened, else by the one it had. */
function promised(fields: Reader): Figures | null {
  for (const part of ["test", "train"]) {
    const found = fields.optional(part, (name) => figures(fields.reader(name)));
    if (found !== null) return { ...found, part };
  }
  const flat = figures(fields);
  return Object.keys(flat).length > 0 ? flat : null;
}
