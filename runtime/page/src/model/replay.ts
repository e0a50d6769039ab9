import { compact } from "./format";
import type { RuntimeConfig } from "./protocol";

/** Return how a feed is called: what happens now is live, all else is a replay, with its speed. */
export function paceText({ live, speed }: RuntimeConfig["feed"]): string {
  if (live) return "Live";
  return speed === null ? "Replay, full speed" : `Replay \u00d7${compact(speed)}`;
}
