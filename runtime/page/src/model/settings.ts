import { FIELDS } from "./fields";
import { isZone } from "./time-axis";
import { clamp } from "./units";
import { LIMITS } from "./view";

/** The query of an address, by name. */
export type Query = ReadonlyMap<string, string>;

/** What a user chooses: all of it is in the address of the page, so that a view can be shared. */
export interface Settings {
  readonly field: string;
  /** The end of the colours as a multiple of the field's own. */
  readonly range: number;
  /** The exponent of the colours; null: the field's own. */
  readonly curve: number | null;
  readonly bins: number;
  readonly ticks: number;
  /** Bins that are kept and asked for at the start. */
  readonly buffer: number;
  readonly zone: string;
  readonly theme: "auto" | "dark" | "light";
  /** Which grid columns the stream is asked for. */
  readonly columns: "shown" | "all";
  readonly hide: readonly Layer[];
  /** Whether the prices on screen follow what has been quoted, or `ticks` of them are shown. */
  readonly price: "fit" | "fixed";
  /** How a fire of the champion is told to somebody who looks elsewhere. */
  readonly alert: readonly Alert[];
}

export const LAYERS = ["quotes", "trades", "fires", "projection", "past", "challengers", "volume"] as const;
export type Layer = (typeof LAYERS)[number];

export const ALERTS = ["sound", "desktop"] as const;
export type Alert = (typeof ALERTS)[number];

export const DEFAULTS: Settings = {
  field: "depth",
  range: 1,
  curve: null,
  bins: 600,
  ticks: 101,
  buffer: 6000,
  zone: "UTC",
  theme: "auto",
  columns: "shown",
  hide: ["past"],
  price: "fit",
  alert: [],
};

export const RANGE_LIMITS = { low: 0.1, high: 4 } as const;
export const CURVE_LIMITS = { low: 0.2, high: 4 } as const;
const MOST_BUFFER = 36_000;

/** Read the settings from the query of an address; what is missing or makes no sense is the default. */
export function readSettings(query: Query): Settings {
  const [hidden, alerts] = [listed(query.get("hide") ?? DEFAULTS.hide.join(",")), listed(query.get("alert"))];
  // An address that says how many ticks it shows wants to see these.
  const usualPrice = query.has("ticks") ? "fixed" : DEFAULTS.price;
  return {
    field: choice(
      query.get("field"),
      FIELDS.map((field) => field.name),
      DEFAULTS.field,
    ),
    range: amount(query.get("range"), RANGE_LIMITS.low, RANGE_LIMITS.high) ?? DEFAULTS.range,
    curve: amount(query.get("curve"), CURVE_LIMITS.low, CURVE_LIMITS.high),
    bins: Math.round(amount(query.get("bins"), LIMITS.fewestBins, LIMITS.mostBins) ?? DEFAULTS.bins),
    ticks: Math.round(amount(query.get("ticks"), LIMITS.fewestTicks, LIMITS.mostTicks) ?? DEFAULTS.ticks),
    buffer: Math.round(amount(query.get("buffer"), 100, MOST_BUFFER) ?? DEFAULTS.buffer),
    zone: isZone(query.get("zone") ?? "") ? (query.get("zone") as string) : DEFAULTS.zone,
    theme: choice(query.get("theme"), ["auto", "dark", "light"] as const, DEFAULTS.theme),
    columns: choice(query.get("columns"), ["shown", "all"] as const, DEFAULTS.columns),
    hide: LAYERS.filter((layer) => hidden.includes(layer)),
    price: choice(query.get("price"), ["fit", "fixed"] as const, usualPrice),
    alert: ALERTS.filter((each) => alerts.includes(each)),
  };
}

/** Return the query of an address with these settings: those that are not the default, and what else stood there. */
export function writeSettings(settings: Settings, query: Query): Map<string, string> {
  const written = new Map(query);
  for (const name of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const [value, usual] = [text(settings[name]), text(DEFAULTS[name])];
    if (value === usual) written.delete(name);
    else written.set(name, value);
  }
  return written;
}

/** Return the overrides of the model in an address, which the stream takes as they are: `threshold`, `signal.NAME`. */
export function overrides(query: Query): [string, string][] {
  return [...query].filter(([name]) => name === "threshold" || name.startsWith("signal."));
}

function text(value: Settings[keyof Settings]): string {
  return typeof value === "object" ? (value ?? []).join(",") : String(value);
}

function listed(found: string | undefined): readonly string[] {
  return (found ?? "").split(",");
}

function choice<T extends string>(found: string | undefined, known: readonly T[], usual: T): T {
  return known.find((each) => each === found) ?? usual;
}

function amount(found: string | undefined, low: number, high: number): number | null {
  const value = found === undefined || found === "" ? Number.NaN : Number(found);
  return Number.isFinite(value) ? clamp(value, low, high) : null;
}
