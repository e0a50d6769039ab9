import assert from "node:assert/strict";
import { test } from "node:test";
import { BinStore } from "../src/model/bin-store";
import { cells, RADIUS, update } from "./help";

function store(capacity = 4): BinStore {
  return new BinStore({ capacity, radius: RADIUS, tickSize: 0.25, columns: ["v_add"] });
}

test("a cell is found by its absolute tick, wherever the window stood", () => {
  const bins = store();
  bins.write(update(1), cells(1));
  assert.equal(bins.value("v_add", bins.slot(1), 401), 10);
  assert.equal(bins.value("v_add", bins.slot(1), 399), 8);
  assert.equal(bins.value("v_add", bins.slot(1), 404), undefined);
});

test("the oldest bins make room, and a gap stays a gap", () => {
  const bins = store();
  for (const seq of [0, 1, 2, 5]) bins.write(update(seq), cells(seq));
  assert.deepEqual([bins.first, bins.last], [2, 5]);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6].map((seq) => bins.slot(seq)),
    [-1, -1, 2, -1, -1, 1, -1],
  );
});

test("bins of one frame take their own rows of it", () => {
  const bins = store();
  const both = cells(3, 4);
  bins.write(update(3), both, 0);
  bins.write(update(4), both, 1);
  assert.equal(bins.value("v_add", bins.slot(4), 404), 40);
  assert.equal(bins.value("v_add", bins.slot(3), 403), 30);
});

test("a bin without cells has none, not those of the bin that lay there before", () => {
  const bins = store();
  bins.write(update(0), cells(0));
  bins.write(update(4), null);
  assert.equal(bins.value("v_add", bins.slot(4), 404), undefined);
  assert.equal(bins.hasCells(bins.slot(4)), false);
});

test("what was written since a revision is told slot by slot, and given up where it is more than the ring", () => {
  const bins = store();
  bins.write(update(0), null);
  const revision = bins.revision;
  bins.write(update(1), null);
  bins.write(update(6), null);
  assert.deepEqual([...(bins.writtenSince(revision) ?? [])], [1, 2]);
  for (let seq = 7; seq < 10; seq++) bins.write(update(seq), null);
  assert.equal(bins.writtenSince(revision), null);
});

test("times keep their microseconds, and are reckoned from the nearest bin where there is none", () => {
  const bins = store();
  bins.write(update(10), null);
  assert.equal(bins.timeOf(10, 100), 1_704_205_801_000);
  assert.equal(bins.timeOf(12.5, 100), 1_704_205_801_250);
  assert.equal(bins.timeOf(8, 100), 1_704_205_800_800);
});

test("versions are told by the bin from which on they spoke, in whatever order bins come", () => {
  const bins = store(100);
  bins.write(update(10, { version: "v1" }), null);
  bins.write(update(11, { version: "v2" }), null);
  bins.write(update(9, { version: "v1" }), null);
  assert.deepEqual(bins.versions, [
    { seq: 9, version: "v1" },
    { seq: 11, version: "v2" },
  ]);
});

test("other challengers leave the cells and the champion's scores as they are", () => {
  const bins = store();
  bins.reshape(1, null);
  bins.write(update(0, { challengers: [{ score: 0.25, fire: 0 }] }), cells(0));
  assert.equal(bins.challengerScore[0], 0.25);
  bins.reshape(2, null);
  assert.deepEqual([...bins.challengerScore.slice(0, 2)], [Number.NaN, Number.NaN]);
  assert.equal(bins.score[0], 0.5);
  assert.equal(bins.value("v_add", 0, 400), 0);
});
