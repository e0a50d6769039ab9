/** What the readout calls a column of a cell, or a figure of its bin. */
export interface ColumnLabel {
  readonly label: string;
  /** What stands behind the number; "" where it has none, or one of no help. */
  readonly unit: string;
  /** What it is, in a sentence. */
  readonly meaning: string;
  /** What each value stands for, where it is a code. */
  readonly codes?: Readonly<Record<number, string>>;
}

const FLOWS: Readonly<Record<string, readonly [string, string]>> = {
  add: ["Added", "size added at this price"],
  pull: ["Cancelled", "size cancelled at this price"],
  fill: ["Executed", "size executed at this price"],
  rest_depth: ["Resting", "the change of what rests at this price"],
  bid_depth: ["Bid size", "the change of what rests at this price on the bid side"],
  ask_depth: ["Ask size", "the change of what rests at this price on the ask side"],
};

/** How much, how much faster, and how fast that changes. */
const RATES: Readonly<Record<string, readonly [string, string]>> = {
  v: ["/s", "velocity"],
  a: ["/s\u00b2", "acceleration"],
  j: ["/s\u00b3", "jerk"],
};

const MOVED = { "-1": "down", 0: "unchanged", 1: "up" };
const NO_OR_YES = { 0: "no", 1: "yes" };

const LABELS: Readonly<Record<string, ColumnLabel>> = {
  mid: plain("Mid", "", "The middle of best bid and best ask of this bin."),
  score: plain("Score", "", "The champion's score of this bin."),
  events: plain("Events", "in bin", "How many events of the market this bin holds."),
  pressure_variant: plain("Pressure", "", "Liquidity being built up: a weighted sum of what is added, ever faster."),
  vacuum_variant: plain("Vacuum", "", "Liquidity being drained: a weighted sum of what is cancelled or executed."),
  spectrum_score: plain("Spectrum", "", "Whether pressure (up to 1) or vacuum (down to \u22121) has been gaining."),
  add_mass: plain("Added", "lately", "Size added at this price; what is older counts for less."),
  pull_mass: plain("Cancelled", "lately", "Size cancelled at this price; what is older counts for less."),
  fill_mass: plain("Executed", "lately", "Size executed at this price; what is older counts for less."),
  rest_depth: plain("Resting", "", "Size that rests at this price, of both sides."),
  bid_depth: plain("Bid size", "", "Size that rests at this price on the bid side."),
  ask_depth: plain("Ask size", "", "Size that rests at this price on the ask side."),
  last_event_id: plain("Last event", "no.", "The number of the last event that changed this price."),
  best_ask_move_ticks: plain("Best ask moved", "ticks", "How far the best ask moved since the bin before."),
  best_bid_move_ticks: plain("Best bid moved", "ticks", "How far the best bid moved since the bin before."),
  ask_reprice_sign: coded("Best ask", "Where the best ask moved since the bin before.", MOVED),
  bid_reprice_sign: coded("Best bid", "Where the best bid moved since the bin before.", MOVED),
  chase_up_flag: coded("Both best prices rose", "Whether best bid and best ask rose since the bin before.", NO_OR_YES),
  chase_down_flag: coded(
    "Both best prices fell",
    "Whether best bid and best ask fell since the bin before.",
    NO_OR_YES,
  ),
  spectrum_state_code: coded("Gaining", "Which of the two has been gaining, by the spectrum.", {
    "-1": "vacuum",
    0: "neither",
    1: "pressure",
  }),
  perm_state5_code: coded("Move of best prices", "What the last move of both best prices means for this side.", {
    "-2": "bear vacuum",
    "-1": "bear pressure",
    0: "mixed",
    1: "bull pressure",
    2: "bull vacuum",
  }),
  perm_microstate_id: coded("Directions of ask, bid", "Where best ask and best bid moved since the bin before.", {
    0: "down, down",
    1: "down, same",
    2: "down, up",
    3: "same, down",
    4: "same, same",
    5: "same, up",
    6: "up, down",
    7: "up, same",
    8: "up, up",
  }),
};

/** Return what a column is called; one that is not known is called by its own name. */
export function columnLabel(name: string): ColumnLabel {
  const [order, flow] = [name.slice(0, 1), name.slice(2)];
  const [rate, what] = [RATES[order], FLOWS[flow]];
  if (name[1] === "_" && rate !== undefined && what !== undefined)
    return plain(what[0], rate[0], `How fast: ${rate[1]} of ${what[1]}, per second.`);
  return LABELS[name] ?? plain(name.replaceAll("_", " "), "", "");
}

/** Return what stands behind a value: its unit, or what its code stands for. */
export function unitText({ unit, codes }: ColumnLabel, value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  return codes === undefined ? unit : (codes[value] ?? "");
}

function plain(label: string, unit: string, meaning: string): ColumnLabel {
  return { label, unit, meaning };
}

function coded(label: string, meaning: string, codes: Readonly<Record<string, string>>): ColumnLabel {
  return { label, unit: "", meaning, codes };
}
