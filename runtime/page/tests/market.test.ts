import assert from "node:assert/strict";
import { test } from "node:test";
import { BinStore } from "../src/model/bin-store";
import { FIELDS } from "../src/model/fields";
import { compact, quantity, significant } from "../src/model/format";
import { fitPrice, quotedRange } from "../src/model/price-fit";
import type { GridUpdate, Trade } from "../src/model/protocol";
import { paceText } from "../src/model/replay";
import { clipsOf, scoreLimitOf } from "../src/model/score-scale";
import { Clock, clockChange, timeMarks } from "../src/model/time-axis";
import { startView } from "../src/model/view";
import { bestSizes, deltaRange, latestPrints, volumeByPrice } from "../src/model/volume";
import { update } from "./help";

const BOUGHT: Trade = { price: 100.25, quantity: 3, side: "A" };
const SOLD: Trade = { price: 100, quantity: 5, side: "B" };

function storeOf(updates: readonly GridUpdate[], capacity = 8): BinStore {
  const store = new BinStore({ capacity, radius: 2, tickSize: 0.25, columns: ["bid_depth", "ask_depth"] });
  for (const each of updates) {
    const columns = new Map([
      ["bid_depth", [4, 3, 2, 0, 0]],
      ["ask_depth", [0, 0, 0, 6, 7]],
    ]);
    store.write(each, columns);
  }
  return store;
}

test("who takes from the asks buys: volume by price and the cumulative delta tell both apart", () => {
  const store = storeOf([update(1, { trades: [BOUGHT, SOLD] }), update(2, { trades: [BOUGHT] }), update(3)]);
  const { bought, sold, most, mostAt, total } = volumeByPrice(store, 1, 3, 400, 402);
  assert.deepEqual([...bought], [0, 6, 0]);
  assert.deepEqual([...sold], [5, 0, 0]);
  assert.deepEqual([most, mostAt, total], [6, 401, 11]);
  const deltas = [1, 2, 3].map((seq) => store.cumulativeDelta[store.slot(seq)]);
  assert.deepEqual(deltas, [-2, 1, 1]);
  assert.deepEqual(deltaRange(store, 1, 3), [-2, 1]);
});

test("the cumulative delta goes on over a gap, over the end of the ring, and is not counted twice", () => {
  const one = (seq: number) => update(seq, { trades: [BOUGHT] });
  const store = storeOf([one(1), one(2), one(5)], 4);
  assert.equal(store.cumulativeDelta[store.slot(5)], 9);
  store.write(one(6), null);
  store.write(one(6), null);
  assert.equal(store.cumulativeDelta[store.slot(6)], 12);
});

test("the tape has the newest execution first, none after the shown bin, and who took it", () => {
  const store = storeOf([
    update(1, { trades: [SOLD] }),
    update(2, { trades: [SOLD, BOUGHT] }),
    update(3, { trades: [SOLD] }),
  ]);
  const prints = latestPrints(store, 2, 5).map(({ seq, quantity: size, taker }) => [seq, size, taker]);
  assert.deepEqual(prints, [
    [2, 3, "buyer"],
    [2, 5, "seller"],
    [1, 5, "seller"],
  ]);
  assert.equal(latestPrints(store, 3, 1).length, 1);
});

test("what rests at the best prices is read from the cells of the bin", () => {
  const store = storeOf([update(1, { spot_tick: 400, best_bid: 99.75, best_ask: 100.25 })]);
  assert.deepEqual(bestSizes(store, store.slot(1)), { bid: 3, ask: 6 });
  const empty = storeOf([update(1, { best_ask: null, spot_tick: 400, best_bid: 99.75 })]);
  assert.equal(bestSizes(empty, empty.slot(1)).ask, null);
});

test("prices are fitted to what was quoted, with room, and stay where they are while it fits", () => {
  const store = storeOf([
    update(1),
    update(2, { best_bid: 80, best_ask: 120 }),
    update(3, { book_valid: false, best_bid: 1 }),
  ]);
  assert.deepEqual(quotedRange(store, 1, 3), [320, 480]);
  const fitted = fitPrice(startView(100, 101), [320, 480]);
  assert.ok(fitted.ticks * 0.6 >= 160);
  assert.equal(fitted.centre, 400);
  assert.equal(fitPrice(fitted, [322, 478]), fitted);
  const calm = fitPrice(fitted, [399, 401]);
  assert.equal(calm.ticks, 40);
  assert.equal(calm.centre, 400);
  assert.equal(fitPrice(calm, [405, 410]), calm);
  assert.equal(fitPrice(calm, [414, 418]).centre, 416);
  assert.equal(quotedRange(store, 3, 3), null);
});

test("the score has room for three thresholds at most, and bins beyond are marked in runs", () => {
  const scores = [0.1, 5, 6, -7, 0.2, 9];
  const store = storeOf(scores.map((score, i) => update(i + 1, { score })));
  assert.equal(scoreLimitOf(store, 1, 6, 0.5), 1.5);
  assert.ok(scoreLimitOf(store, 1, 1, 0.5) >= 0.65);
  assert.ok(scoreLimitOf(store, 1, 6, null) >= 9);
  assert.deepEqual(clipsOf(store, 1, 6, 1.5), [
    { from: 2, to: 3, side: 1 },
    { from: 4, to: 4, side: -1 },
    { from: 6, to: 6, side: 1 },
  ]);
});

test("numbers are written for people: no exponents, thin spaces, and units where they are large", () => {
  assert.deepEqual([6.1e-254, -2e-9, 0, 0.01234567, -3.5, 12345, 12345.6, 1234567, 1e17].map(significant), [
    "0.0000",
    "0.0000",
    "0",
    "0.01235",
    "\u22123.500",
    "12\u202f345",
    "12\u202f346",
    "1\u202f234\u202f567",
    "100\u202f000\u202f000\u202fbn",
  ]);
  assert.deepEqual([3, 1234, 0.0512345, 12_345, 2.5e9, 123.4, -7].map(quantity), [
    "3",
    "1\u202f234",
    "0.0512",
    "12.3\u202fk",
    "2.5\u202fbn",
    "123",
    "\u22127",
  ]);
  assert.equal(compact(3e-12), "0.0000");
});

test("what does not happen now is called a replay, with its speed", () => {
  assert.equal(paceText({ name: null, kind: "databento", speed: null, live: true }), "Live");
  assert.equal(paceText({ name: null, kind: "source", speed: 10, live: false }), "Replay \u00d710");
  assert.equal(paceText({ name: null, kind: "dataset", speed: 0.5, live: false }), "Replay \u00d70.5");
  assert.equal(paceText({ name: null, kind: "recording", speed: null, live: false }), "Replay, full speed");
});

test("the map opens on resting depth, and every field is explained in one line", () => {
  assert.equal(FIELDS[0]?.name, "depth");
  assert.equal(FIELDS[0]?.scale, "log");
  for (const { meaning } of FIELDS) assert.ok(meaning.length > 20 && meaning.length < 90, meaning);
});

test("a change of the clocks is found to the millisecond and told; a zone without one has none", () => {
  const spring = Date.UTC(2024, 2, 10, 8);
  const chicago = new Clock("America/Chicago");
  const change = clockChange(spring - 3_600_000, spring + 3_600_000, chicago);
  assert.equal(change?.time, spring);
  assert.equal(change?.byMs, 3_600_000);
  assert.match(change?.label ?? "", /clocks \+1\u202fh/);
  const autumn = clockChange(Date.UTC(2024, 9, 27), Date.UTC(2024, 9, 28), new Clock("Europe/London"));
  assert.equal(autumn?.time, Date.UTC(2024, 9, 27, 1));
  assert.match(autumn?.label ?? "", /clocks \u22121\u202fh/);
  assert.equal(clockChange(spring - 3_600_000, spring + 3_600_000, new Clock("UTC")), null);
});

test("times are round as the clocks of the zone show them, on either side of a change and in half-hour zones", () => {
  const labels = (from: number, to: number, zone: string) =>
    timeMarks(from, to, 8, new Clock(zone)).map(({ label }) => label);
  const spring = Date.UTC(2024, 2, 10, 8);
  assert.deepEqual(labels(spring - 7_200_000, spring + 7_200_000, "America/Chicago"), [
    "00:00",
    "00:30",
    "01:00",
    "01:30",
    "03:00",
    "03:30",
    "04:00",
    "04:30",
    "05:00",
  ]);
  assert.deepEqual(labels(Date.UTC(2024, 0, 2, 0), Date.UTC(2024, 0, 2, 6), "Asia/Kolkata"), [
    "06:00",
    "07:00",
    "08:00",
    "09:00",
    "10:00",
    "11:00",
  ]);
});
