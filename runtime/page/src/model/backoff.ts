import type { Milliseconds } from "./units";

const FIRST_MS = 250;
const LONGEST_MS = 8000;

/** How long to wait before try `attempt` (0, 1, ...): doubling up to 8 s, less up to a half by `chance` in [0, 1). */
export function delayMs(attempt: number, chance: number): Milliseconds {
  return Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS) * (1 - chance / 2);
}
