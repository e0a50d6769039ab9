import { ANY_TIME, ANY_TIME_MEANS, type ClaimLine, claimLine, claimLines } from "../model/claims";
import type { Fire } from "../model/fires";
import { CHAMPION, orderAt, stateAt } from "../model/fires";
import { compact, duration, fixed, grouped, NOTHING, percent, signed } from "../model/format";
import { type CoverageRow, coverageRows } from "../model/projection";
import type { Figures } from "../model/protocol";
import { type Comparison, compareFigures, type Estimate } from "../model/statistics";
import type { Seq } from "../model/units";
import { byId, type Cell, FilledTable, make, setClass, setText } from "./dom";
import type { Page } from "./page";

const MOST_FIRES = 12;
const PARTS: Record<string, string> = { test: "Backtest (test)", train: "Backtest (train)" };

/** The model's side of the page: what it says now, and how well it has been saying it. */
export class Panels {
  readonly #page: Page;
  readonly #score = make("output", { class: "score figure", "aria-label": "Score of the champion" });
  readonly #against = make("p", { class: "note" });
  readonly #models = new FilledTable("Models: current score and results", [
    "Model",
    "Score",
    "\u03b8",
    "Fires",
    "TP",
    "Net",
  ]);
  readonly #compared = new FilledTable("Backtest and live", ["", "Backtest", "Live"]);
  readonly #coverage = new FilledTable("Coverage of the projection's bands, one column per horizon", []);
  readonly #judged = make("span", { class: "aside" });
  readonly #fires = new FilledTable("Latest fires", ["Time", "", "Score", "Outcome", "Net"]);
  readonly #drift = make("p", { class: "note", role: "status" });
  readonly #claims = make("ul", { class: "claims", "aria-label": "What may be claimed of the models" });
  readonly #anyTime = make("p", { class: "note", title: ANY_TIME_MEANS }, ANY_TIME);

  constructor(page: Page) {
    this.#page = page;
    const now = make("div", { class: "now" }, this.#score, this.#against);
    panel("speaker", "Score", now, this.#models.element, this.#claims, this.#anyTime);
    this.#anyTime.hidden = true;
    panel("compared", "Backtest and live", this.#compared.element, this.#drift);
    panel("coverage", "Projection", this.#coverage.element).querySelector("h2")?.append(this.#judged);
    panel("fires", "Fires", this.#fires.element);
  }

  update(): void {
    if (this.#page.session.config === null) return;
    this.#updateModels();
    this.#updateCompared();
    this.#updateCoverage();
    this.#updateFires();
  }

  #updateModels(): void {
    const { session, head } = this.#page;
    const { config, status, store } = session;
    if (config === null) return;
    const slot = store === null || head === null ? -1 : store.slot(head);
    const score = slot < 0 ? null : (store?.score[slot] ?? null);
    setText(this.#score, signed(score, 3));
    const share = score === null || !Number.isFinite(score) ? 0 : score / config.model.threshold;
    setClass(this.#score, `score figure ${Math.abs(share) < 1 ? "" : share > 0 ? "up" : "down"}`);
    setText(
      this.#against,
      Number.isFinite(share) ? `${signed(share, 2)} of \u03b8 = ${compact(config.model.threshold)}` : "",
    );
    const count = config.challengers.length;
    const rows = [
      modelRow(config.model.version, score, config.model.threshold, status?.statistics.champion ?? null, "champion"),
    ];
    config.challengers.forEach(({ name, signal, threshold }, i) => {
      const value = slot < 0 ? null : (store?.challengerScore[slot * count + i] ?? null);
      const figures = status?.statistics.challengers[i] ?? null;
      rows.push(
        modelRow(
          name === undefined || name === signal ? signal : `${name} ${signal}`,
          value,
          threshold,
          figures,
          `rival-${(i % 4) + 1}`,
        ),
      );
    });
    if (config.shadow !== null) {
      const value = slot < 0 ? null : (store?.shadowScore[slot] ?? null);
      rows.push(modelRow("yours", value, config.shadow.threshold, status?.statistics.shadow ?? null, "shadow"));
    }
    this.#models.fill(rows);
    this.#updateClaims();
  }

  #updateClaims(): void {
    const { config, status } = this.#page.session;
    const told: ClaimLine[] = [];
    const champion = status?.statistics.champion?.claim;
    if (config !== null && champion != null) told.push(claimLine(config.model.version, champion, "fire"));
    config?.challengers.forEach(({ name, signal }, i) => {
      const claim = status?.statistics.challengers[i]?.claim;
      if (claim != null) {
        told.push(claimLine(name ?? signal, { ...claim, promised_low: null, promised_high: null }, "block more"));
      }
    });
    const yours = config?.shadow == null ? null : status?.statistics.shadow?.claim;
    if (yours != null)
      told.push(claimLine("yours", { ...yours, promised_low: null, promised_high: null }, "block more"));
    const lines = claimLines(told);
    while (this.#claims.children.length > lines.length) this.#claims.lastElementChild?.remove();
    lines.forEach(({ text, isBad }, i) => {
      const item = this.#claims.children[i] ?? this.#claims.appendChild(make("li"));
      setText(item, text);
      setClass(item, isBad ? "drift" : "");
    });
    this.#anyTime.hidden = told.length === 0 || lines !== told;
  }

  #updateCompared(): void {
    const { config, status } = this.#page.session;
    const promised = config?.promised ?? null;
    const rows = compareFigures(promised, status?.statistics.champion ?? null);
    this.#compared.fill(rows.map((row) => [row.label, ...comparisonCells(row)]));
    const drifting = rows.filter(({ drift }) => drift !== null).map(({ label, drift }) => `${label} ${drift} promise`);
    const part = promised === null ? "No backtest: these are the defaults." : (PARTS[promised.part ?? ""] ?? "");
    setText(this.#drift, drifting.length > 0 ? `Drift at one look: ${drifting.join(", ")}` : part);
    setClass(this.#drift, drifting.length > 0 ? "note drift" : "note");
  }

  #updateCoverage(): void {
    const { config, status } = this.#page.session;
    const scores = status?.statistics.projection ?? null;
    const section = byId("coverage", HTMLElement);
    section.hidden = config?.projection == null;
    if (config?.projection == null || scores === null) return;
    const columns = coverageRows(config.projection, scores);
    const row = (name: Cell, write: (column: CoverageRow) => Cell): Cell[] => [name, ...columns.map(write)];
    const least = Math.min(...columns.map(({ count }) => count ?? 0));
    const rows = [
      row("seconds", ({ horizonBins }) => ({
        text: compact((horizonBins * config.cell_width_ms) / 1000),
        kind: "head",
      })),
      row("in 50\u202f%", ({ half, halfSays }) => coverageCell(half, halfSays)),
      row("in 90\u202f%", ({ most, mostSays }) => coverageCell(most, mostSays)),
      row({ text: "pinball", kind: "", title: PINBALL_MEANS }, ({ pinball }) => fixed(pinball, 2)),
    ];
    setText(this.#judged, `${grouped(least)} judged`);
    this.#coverage.fill(rows);
  }

  #updateFires(): void {
    const { session, clock, head } = this.#page;
    const isPast = (fire: Fire) => fire.model === CHAMPION && fire.seq <= (head ?? 0);
    const latest = session.fires.all.filter(isPast).slice(-MOST_FIRES);
    this.#fires.fill(latest.reverse().map((fire) => fireRow(fire, clock.time(fire.timeMs), head ?? fire.seq)));
  }
}

const PINBALL_MEANS = "Mean pinball loss of the projected quantiles, in ticks: smaller is better";

/** Build a panel with its title; what is in it is filled later. */
export function panel(id: string, title: string, ...children: HTMLElement[]): HTMLElement {
  const section = byId(id, HTMLElement);
  section.append(make("h2", { id: `${id}-title` }, title), ...children);
  return section;
}

function modelRow(
  name: string,
  score: number | null,
  threshold: number,
  figures: Figures | null,
  kind: string,
): Cell[] {
  const fires = figures?.n_fires ?? null;
  const toGo = figures?.bins_to_go ?? 0;
  return [
    {
      text: name,
      kind: `model ${kind}`,
      title: name,
      ...(toGo > 0 ? { under: `ready in ${grouped(toGo)} bins` } : {}),
    },
    signed(score, 3),
    compact(threshold),
    {
      text: fires === null ? NOTHING : grouped(fires),
      kind: "",
      ...(figures?.fill_rate == null
        ? {}
        : {
            under: `${percent(figures.fill_rate)} filled`,
            title: "Orders filled, of those placed",
          }),
    },
    percent(figures?.tp_rate),
    {
      text: signed(figures?.net_pnl_ticks, 2),
      kind: "",
      ...(figures?.median_wait_ms == null
        ? {}
        : {
            under: `wait ${duration(figures.median_wait_ms)}`,
            title: "Median time from an order's arrival to its fill",
          }),
    },
  ];
}

/** A share that is marked where it may be claimed, at any time, to be less than stated. */
function coverageCell(share: number | null, says: string): Cell {
  return { text: percent(share), kind: says === "covers less than stated" ? "drift below" : "", title: says };
}

function comparisonCells({ unit, promised, live, drift }: Comparison): Cell[] {
  const kind = drift === null ? "" : `drift ${drift}`;
  return [estimateCell(promised, unit, ""), estimateCell(live, unit, kind)];
}

function estimateCell(estimate: Estimate | null, unit: Comparison["unit"], kind: string): Cell {
  const write = WRITTEN[unit];
  if (estimate === null) return { text: NOTHING, kind };
  const { value, low, high } = estimate;
  if (low === null || high === null) return { text: write(value), kind };
  return { text: write(value), kind, under: `${write(low)} \u2026 ${write(high)}`, title: "95\u202f% interval" };
}

const WRITTEN: Record<Comparison["unit"], (value: number) => string> = {
  share: (value) => percent(value, 1),
  ticks: (value) => `${signed(value, 2)}`,
  rate: (value) => fixed(value, 1),
  ms: duration,
  count: grouped,
};

const OUTCOMES: Record<Fire["state"], string> = {
  open: "open",
  tp: "TP",
  sl: "SL",
  timeout: "timeout",
  skipped: "skipped",
};

/** What had become of a fire at the shown bin: of its order first, since one that is not filled is no trade. */
function outcomeCell(fire: Fire, head: Seq): Cell {
  const [order, state] = [orderAt(fire, head), stateAt(fire, head)];
  if (order === null) return { text: OUTCOMES[state], kind: `outcome ${state}` };
  const title = `order at ${compact(fire.order?.price ?? 0)}: ${order}`;
  if (order !== "filled") return { text: order, kind: "outcome order", title };
  return { text: state === "open" ? "filled" : OUTCOMES[state], kind: `outcome ${state}`, title };
}

function fireRow(fire: Fire, time: string, head: Seq): Cell[] {
  const isKnown = stateAt(fire, head) !== "open";
  return [
    time,
    { text: fire.direction > 0 ? "\u25b2" : "\u25bc", kind: "arrow", title: fire.direction > 0 ? "up" : "down" },
    signed(fire.score, 3),
    outcomeCell(fire, head),
    isKnown ? signed(fire.netPnlTicks ?? fire.pnlTicks, 2) : NOTHING,
  ];
}
