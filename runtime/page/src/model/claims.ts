import { grouped, signed } from "./format";
import type { Claim } from "./protocol";

/** Claims on which somebody should look at the model. */
const BAD: readonly string[] = ["worse than promised", "worth nothing"];
const UNTOLD = "nothing was promised";
const UNTOLD_TEXT = "no claim, nothing was promised";
const TOO_EARLY = "too early";
/** The server claims nothing on fewer blocks. */
const LEAST_BLOCKS = 10;

export const ANY_TIME = "These hold however often you look.";
export const ANY_TIME_MEANS =
  "Each of them is made wrongly in at most 5\u202f% of all sessions, whenever you look at it.";

export interface ClaimLine {
  readonly text: string;
  readonly isBad: boolean;
}

/** Return in plain words what may be claimed of a model; `unit` says of what the ticks are. */
export function claimLine(name: string, claim: Claim, unit: string): ClaimLine {
  const { says, mean, low, high, n_blocks: blocks, promised_low: from, promised_high: to } = claim;
  const count = `${grouped(blocks)} ${blocks === 1 ? "block" : "blocks"}`;
  if (says === UNTOLD) return { text: `${name}: ${UNTOLD_TEXT}`, isBad: false };
  if (says === TOO_EARLY) {
    return { text: `${name}: too early, ${count} of ${LEAST_BLOCKS} closed`, isBad: false };
  }
  const ends = low === null || high === null ? "" : ` (${signed(low, 2)} \u2026 ${signed(high, 2)})`;
  const promised = from === null || to === null ? "" : `, promised ${signed(from, 2)} \u2026 ${signed(to, 2)}`;
  const text = `${name}: ${says}, ${signed(mean, 2)}${ends} ticks a ${unit}${promised}, ${count}`;
  return { text, isBad: BAD.includes(says) };
}

/** Return the lines of all models; one for all of them where nothing was promised of any. */
export function claimLines(lines: readonly ClaimLine[]): readonly ClaimLine[] {
  const isSilent = lines.length > 0 && lines.every(({ text }) => text.endsWith(UNTOLD_TEXT));
  return isSilent ? [{ text: "No model here has a backtest to be compared with.", isBad: false }] : lines;
}
