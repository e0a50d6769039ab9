/** A feed of a server that has several, as `/v1/feeds` lists it. */
export interface ListedFeed {
  readonly name: string;
  readonly instrument: string;
  readonly isReady: boolean;
  readonly reasons: readonly string[];
}

/** Read the answer of `/v1/feeds`: the feeds that have names; what is no such answer has none. */
export function listedFeeds(answer: unknown): readonly ListedFeed[] {
  const listed = isRecord(answer) && Array.isArray(answer.feeds) ? answer.feeds : [];
  return listed.flatMap((each: unknown) => {
    if (!isRecord(each) || typeof each.name !== "string") return [];
    const reasons = Array.isArray(each.reasons) ? each.reasons.map(String) : [];
    return [{ name: each.name, instrument: String(each.instrument), isReady: each.ready === true, reasons }];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
