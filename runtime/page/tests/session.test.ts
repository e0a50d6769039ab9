import assert from "node:assert/strict";
import { test } from "node:test";
import { delayMs } from "../src/model/backoff";
import { claimLine } from "../src/model/claims";
import type { Fire } from "../src/model/fires";
import { FireLog, orderAt, stateAt } from "../src/model/fires";
import { compact, fitText, fixed, grouped, percent, priceDecimals, signed, significant } from "../src/model/format";
import { headOf, Session } from "../src/model/session";
import { DEFAULTS, overrides, readSettings, writeSettings } from "../src/model/settings";
import { compareFigures } from "../src/model/statistics";
import { cells, config, status, update } from "./help";

function session() {
  const heard = { notices: [] as string[], fires: [] as Fire[], now: 1000, wait };
  function wait(ms: number): void {
    heard.now += ms;
  }
  const made = new Session(100, () => heard.now, {
    changed: () => {},
    notice: (text) => heard.notices.push(text),
    fires: (fires) => heard.fires.push(...fires),
  });
  return { session: made, heard };
}

test("what a learned model was fitted on and when is said in one line", () => {
  const fit = { model: "ridge", dataset: "day", fitted_at_ns: "1704206420000000000", training_bins: 6131 };
  const told = fitText({ ...fit, training_loss: 3.469747 });
  assert.equal(told, "ridge, fitted at 2024-01-02 14:40 UTC on 6\u202f131 bins of day, training loss 3.470");
});

test("the first connection asks for history, the next for what came after the last bin", () => {
  const { session: stream } = session();
  const first = new Map(stream.query(DEFAULTS, new Map()));
  assert.equal(first.get("history"), "100");
  assert.equal(first.has("from_seq"), false);
  stream.takeConfig(config());
  stream.takeBins([update(7)], cells(7));
  const next = new Map(stream.query({ ...DEFAULTS, columns: "all" }, new Map([["signal.lag", "3"]])));
  assert.deepEqual([next.get("from_seq"), next.get("stream"), next.get("signal.lag")], ["8", "one", "3"]);
  assert.equal(next.has("fields"), false);
});

test("another stream, a reset and other cells begin a new picture; a promotion does not", () => {
  const { session: stream, heard } = session();
  stream.takeConfig(config());
  stream.takeBins([update(7)], cells(7));
  stream.takeConfig(config({ reason: "promotion", model: { ...config().model, version: "v2", threshold: 0.3 } }));
  assert.equal(stream.store?.last, 7);
  assert.match(heard.notices.join(), /Promoted: v2/);
  assert.deepEqual([stream.threshold("v1"), stream.threshold("v2"), stream.threshold("v3")], [0.1, 0.3, null]);
  for (const changes of [{ stream: "two" }, { reset: true, stream: "two" }, { radius: 3, stream: "two" }]) {
    stream.takeConfig(config(changes));
    assert.equal(stream.store?.last, null);
    stream.takeBins([update(9)], null);
  }
});

test("a resting order is open at its price until a later bin says what became of it", () => {
  const { session: stream } = session();
  stream.takeConfig(config());
  const order = { model: "champion", seq: 1, direction: 1 as const, price: 99.75, fill_ns: null };
  stream.takeBins([update(1, { fire: 1, orders: [{ ...order, state: "resting" }] })], null);
  assert.deepEqual(stream.fires.all[0]?.order, { state: "resting", price: 99.75, endSeq: null });
  stream.takeBins([update(2), update(3, { orders: [{ ...order, state: "filled", fill_ns: "7" }] })], null);
  assert.deepEqual(stream.fires.all[0]?.order, { state: "filled", price: 99.75, endSeq: 3 });
  stream.takeBins([update(4, { fire: 1, orders: [{ ...order, seq: 4, state: "resting" }] })], null);
  stream.takeConfig(config({ reason: "promotion", model: { ...config().model, version: "v2" } }));
  assert.deepEqual(
    stream.fires.all.map((fire) => fire.order?.state),
    ["filled", undefined],
  );
});

test("figures of resting orders are compared where there are such", () => {
  const labels = (live: Record<string, number>) => compareFigures(null, live).map(({ label }) => label);
  assert.equal(labels({ tp_rate: 0.5 }).includes("Orders filled"), false);
  const shown = compareFigures({ fill_rate: 0.5, median_wait_ms: 900 }, { fill_rate: 0.4, median_wait_ms: 1200 });
  assert.deepEqual(
    shown.filter(({ ofOrders }) => ofOrders).map(({ label, unit, live }) => [label, unit, live?.value]),
    [
      ["Orders filled", "share", 0.4],
      ["Wait for a fill", "ms", 1200],
    ],
  );
});

test("fires are told as they come, not out of the buffer, and resolved by later bins", () => {
  const { session: stream, heard } = session();
  stream.takeConfig(config());
  stream.takeBins([update(1, { fire: 1 }), update(2)], cells(1, 2));
  stream.takeBins([update(3, { fire: -1, outcomes: [outcome(1, "tp")] })], cells(3));
  assert.deepEqual(
    heard.fires.map(({ seq }) => seq),
    [3],
  );
  assert.deepEqual(
    stream.fires.all.map(({ seq, state, netPnlTicks }) => [seq, state, netPnlTicks]),
    [
      [1, "tp", 7],
      [3, "open", null],
    ],
  );
});

function outcome(seq: number, what: string) {
  return {
    model: "champion",
    seq,
    direction: 1 as const,
    outcome: what,
    pnl_ticks: 8,
    net_outcome: what,
    net_pnl_ticks: 7,
  };
}

test("a fire that comes twice is one fire, and those of bins that are gone are forgotten", () => {
  const log = new FireLog();
  for (const seq of [1, 1, 5]) log.take(update(seq, { fire: 1 }), [], 0);
  assert.equal(log.all.length, 2);
  log.forgetBefore(3);
  assert.deepEqual(
    log.all.map(({ seq }) => seq),
    [5],
  );
  log.take(update(1, { outcomes: [outcome(1, "sl")] }), [], 0);
  assert.equal(log.all.length, 1);
});

test("the head is the newest bin, or the nearest to the playhead that is still kept", () => {
  const { session: stream } = session();
  assert.equal(headOf(stream.store, null), null);
  stream.takeConfig(config());
  for (let seq = 0; seq < 150; seq++) stream.takeBins([update(seq)], cells(seq));
  assert.deepEqual(
    [null, 120, 3, 999].map((seq) => headOf(stream.store, seq)),
    [149, 120, 50, 149],
  );
});

test("all is well says nothing", () => {
  const { session: stream } = session();
  stream.takeConnection({ state: "open" });
  stream.takeConfig(config());
  stream.takeStatus(status());
  stream.takeBins([update(0)], cells(0));
  assert.deepEqual(stream.conditions(), []);
});

const FAULTS: [string, string, (stream: Session, heard: { wait: (ms: number) => void }) => void][] = [
  ["disconnected", "critical", (s) => s.takeConnection({ state: "waiting", retryAtMs: 2000, reason: "gone" })],
  ["refused", "critical", (s) => s.takeConnection({ state: "refused", reason: "no such signal" })],
  ["stale", "critical", (_, heard) => heard.wait(4000)],
  [
    "stale",
    "critical",
    (s, heard) => {
      heard.wait(2500);
      s.takeStatus(status());
    },
  ],
  ["book", "critical", (s) => s.takeBins([update(1, { book_valid: false, ready: false })], cells(1))],
  ["warmup", "warning", (s) => s.takeBins([update(1, { ready: false })], cells(1))],
  ["ready", "critical", (s) => s.takeStatus(status({ ready: false, reasons: ["book invalid"] }))],
  ["feed", "critical", (s) => s.takeStatus(status({ feed: { ...status().feed, state: "silent" } }))],
  ["deadline", "warning", (s) => s.takeStatus(status({ deadline_misses_recent: 2 }))],
  ["lag", "warning", (s) => s.takeStatus(status({ feed: { ...status().feed, lag_ms: 2500 } }))],
  [
    "unsafe",
    "warning",
    (s) => s.takeConfig(config({ model: { ...config().model, unsafe: ["audit"], forced: "a drill" } })),
  ],
  ["coming", "info", (s) => s.takeStatus(status({ coming: { version: "v2", bins_to_go: 717 } }))],
  ["frame", "warning", (s) => s.takeBadFrame("not JSON")],
  ["missed", "warning", (s) => s.takeBins([update(9, { missed: 8 })], cells(9))],
];

test("a replay has no deadlines to miss", () => {
  const { session: stream } = session();
  stream.takeConfig(config({ feed: { name: null, kind: "source", speed: 50, live: false } }));
  stream.takeConnection({ state: "open" });
  stream.takeStatus(status({ deadline_misses_recent: 2, deadline_misses: 40 }));
  assert.deepEqual(stream.conditions(), []);
});

test("outcomes are those that were known at the bin that is shown", () => {
  const { session: stream } = session();
  stream.takeConfig(config());
  const order = { model: "champion", seq: 1, direction: 1 as const, price: 99.75, fill_ns: null };
  stream.takeBins([update(1, { fire: 1, orders: [{ ...order, state: "resting" }] }), update(2)], cells(1, 2));
  stream.takeBins([update(3, { outcomes: [outcome(1, "tp")], orders: [{ ...order, state: "filled" }] })], cells(3));
  const fire = stream.fires.all[0] as Fire;
  assert.deepEqual([stateAt(fire, 2), stateAt(fire, 3)], ["open", "tp"]);
  assert.deepEqual([orderAt(fire, 2), orderAt(fire, 3)], ["resting", "filled"]);
});

test("what your own model says of bins before it was asked for is put beside them, and is no news", () => {
  const { session: stream, heard } = session();
  stream.takeConfig(config());
  stream.takeBins([update(1), update(2, { fire: 1 }), update(3)], cells(1, 2, 3));
  const said = { score: -0.4, outcomes: [], orders: [] };
  stream.takeShadow([
    { ...said, seq: 1, fire: -1 },
    { ...said, seq: 3, fire: 0, outcomes: [{ ...outcome(1, "sl"), model: "shadow" }] },
    { ...said, seq: 99, fire: 1 },
  ]);
  assert.equal(stream.store?.shadowScore[stream.store.slot(1)], -0.4);
  assert.deepEqual(
    stream.fires.all.map(({ model, seq, state }) => [model, seq, state]),
    [
      ["shadow", 1, "sl"],
      ["champion", 2, "open"],
    ],
  );
  assert.deepEqual(heard.fires, []);
});

test("a view that was shared comes back: prices are fitted, unless the address says how many ticks it shows", () => {
  const read = (query: string) => readSettings(new Map(new URLSearchParams(query)));
  assert.deepEqual([read("").price, read("ticks=50").price, read("ticks=50&price=fit").price], ["fit", "fixed", "fit"]);
  assert.deepEqual([read("").alert, read("alert=desktop,nonsense,sound").alert], [[], ["sound", "desktop"]]);
  assert.deepEqual([read("").hide, read("hide=").hide, read("hide=volume").hide], [["past"], [], ["volume"]]);
  const written = writeSettings({ ...DEFAULTS, hide: [], price: "fixed", alert: ["sound"] }, new Map());
  assert.deepEqual([...written].toSorted(), [
    ["alert", "sound"],
    ["hide", ""],
    ["price", "fixed"],
  ]);
});

for (const [id, severity, happen] of FAULTS) {
  test(`a user is told, as ${severity}: ${id}`, () => {
    const { session: stream, heard } = session();
    stream.takeConnection({ state: "open" });
    stream.takeConfig(config());
    stream.takeStatus(status());
    stream.takeBins([update(0)], cells(0));
    happen(stream, heard);
    const [first] = stream.conditions();
    assert.deepEqual([first?.id, first?.severity], [id, severity]);
    assert.ok((first?.text.length ?? 0) > 5);
  });
}

test("an unsafe model is marked with what it was promoted without and why, for as long as it speaks", () => {
  const { session: stream } = session();
  const unsafe = { ...config().model, version: "v2", unsafe: ["audit", "live = batch"], forced: "a drill" };
  const marks = () => stream.conditions().filter(({ id }) => id === "unsafe");
  stream.takeConnection({ state: "waiting", retryAtMs: 2000, reason: "gone" });
  stream.takeConfig(config({ model: unsafe }));
  assert.equal(
    marks()[0]?.text,
    "Unsafe: promoted without audit and live = batch, so that it may not be what was run. a drill",
  );
  stream.takeConfig(config());
  assert.deepEqual(marks(), []);
});

test("what is coming is said with how long it must still follow the feed", () => {
  const { session: stream } = session();
  stream.takeConnection({ state: "open" });
  stream.takeConfig(config());
  const told = (bins_to_go: number | null) => {
    stream.takeStatus(status({ coming: { version: "v2", bins_to_go } }));
    return stream.conditions().map(({ id, count }) => [id, count]);
  };
  assert.deepEqual(told(717), [["coming", "72 s"]]);
  assert.deepEqual(told(null), [["coming", ""]]);
  assert.deepEqual(told(0), []);
});

test("a claim is told in plain words with its interval, its blocks, and what was promised", () => {
  const claim = {
    says: "worse than promised",
    mean: 0.4,
    low: 0.1,
    high: 0.7,
    n_blocks: 48,
    promised_low: 1,
    promised_high: 1.5,
  };
  assert.deepEqual(claimLine("v0003", claim, "fire"), {
    text: "v0003: worse than promised, +0.40 (+0.10 \u2026 +0.70) ticks a fire, promised +1.00 \u2026 +1.50, 48 blocks",
    isBad: true,
  });
  const early = { ...claim, says: "too early", low: null, high: null, n_blocks: 1 };
  assert.deepEqual(claimLine("v0003", early, "fire"), {
    text: "v0003: too early, 1 block of 10 closed",
    isBad: false,
  });
  const none = { ...early, says: "nothing was promised" };
  assert.equal(claimLine("defaults", none, "fire").text, "defaults: no claim, nothing was promised");
  const better = { ...claim, says: "better than the champion", promised_low: null, promised_high: null };
  assert.match(
    claimLine("fast", better, "block more").text,
    /^fast: better than the champion, \+0\.40 .* ticks a block more, 48 blocks$/,
  );
});

test("what was promised has drifted where its interval lies outside that of what came", () => {
  const promised = { tp_rate: 0.6, tp_rate_low: 0.55, tp_rate_high: 0.65, net_pnl_ticks: 2, events_per_hour: 40 };
  const live = {
    tp_rate: 0.4,
    tp_rate_low: 0.3,
    tp_rate_high: 0.5,
    net_pnl_ticks: 1,
    net_pnl_ticks_low: -1,
    net_pnl_ticks_high: 3,
  };
  const drifts = compareFigures(promised, live).map(({ label, drift }) => [label, drift]);
  assert.deepEqual(drifts, [
    ["Take-profit", "below"],
    ["Net per fire", null],
    ["Fires judged", null],
    ["Fires per hour", null],
  ]);
  assert.equal(compareFigures(null, live)[0]?.drift, null);
});

test("settings survive the address, and what makes no sense there is the default", () => {
  const settings = {
    ...DEFAULTS,
    field: "net",
    bins: 1200,
    theme: "light" as const,
    hide: ["trades", "past"] as const,
    curve: 0.7,
  };
  const written = writeSettings(
    settings,
    new Map([
      ["signal.lag", "3"],
      ["bins", "5"],
    ]),
  );
  assert.deepEqual(readSettings(written), { ...settings, hide: ["trades", "past"] });
  assert.equal(written.get("signal.lag"), "3");
  assert.deepEqual(overrides(written), [["signal.lag", "3"]]);
  const nonsense = new Map([
    ["field", "<script>"],
    ["bins", "1e99"],
    ["zone", "x/y"],
    ["range", "NaN"],
    ["theme", "pink"],
  ]);
  assert.deepEqual(readSettings(nonsense), { ...DEFAULTS, bins: 40_000 });
  assert.equal(writeSettings(DEFAULTS, new Map()).size, 0);
});

test("waits grow to a bound, and chance spreads them", () => {
  assert.deepEqual(
    [0, 1, 2, 30].map((attempt) => delayMs(attempt, 0)),
    [250, 500, 1000, 8000],
  );
  assert.equal(delayMs(30, 0.999) > 4000, true);
});

test("numbers are written with as many digits as mean something", () => {
  assert.deepEqual([0.25, 1, 0.01, 0.125].map(priceDecimals), [2, 0, 2, 3]);
  assert.deepEqual(
    [fixed(-0.001, 2), signed(0.5, 1), signed(-2, 0), fixed(null, 2)],
    ["0.00", "+0.5", "\u22122", "\u2013"],
  );
  assert.deepEqual(
    [percent(0.345), significant(1234567), significant(-0.123456)],
    ["35\u202f%", "1\u202f234\u202f567", "\u22120.1235"],
  );
  assert.deepEqual([compact(0.6), compact(-0.05), grouped(-1000)], ["0.6", "\u22120.05", "\u22121\u202f000"]);
});
