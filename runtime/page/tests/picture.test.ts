import assert from "node:assert/strict";
import { test } from "node:test";
import { BinStore } from "../src/model/bin-store";
import { COLOUR_STEPS, colourStep, colourTable } from "../src/model/colour-map";
import { automaticRange, FIELDS, fieldNamed, fieldValues, SHOWN_COLUMNS } from "../src/model/fields";
import { layoutOf } from "../src/model/layout";
import { fanOf, pastFans } from "../src/model/projection";
import { niceStep, priceMarks, seqAtX, ticksAtY, valueMarks, xOf, yOf } from "../src/model/scales";
import { Clock, isZone, timeMarks } from "../src/model/time-axis";
import { follow, pan, startView, within, zoomPrice, zoomTime } from "../src/model/view";
import { update } from "./help";

test("a diverging map has nothing in the middle and equal strength on both sides", () => {
  assert.equal(colourStep(0, "diverging", 1, 1), 128);
  assert.deepEqual([colourStep(-5, "diverging", 1, 1), colourStep(5, "diverging", 1, 1)], [0, COLOUR_STEPS - 1]);
  assert.equal(colourStep(0.25, "diverging", 1, 0.5), colourStep(0.5, "diverging", 1, 1));
});

test("a sequential map begins at 0 and shows what is below as 0", () => {
  assert.deepEqual(
    [-3, 0, 1, 4].map((value) => colourStep(value, "sequential", 4, 0.5)),
    [0, 0, 128, 255],
  );
});

for (const theme of ["dark", "light"] as const) {
  test(`a diverging map is blue below and orange above, and its middle is the paper (${theme})`, () => {
    const table = colourTable("diverging", theme);
    const [low, high] = [table.subarray(60 * 4, 60 * 4 + 3), table.subarray(195 * 4, 195 * 4 + 3)];
    assert.ok((low[2] as number) > (low[0] as number));
    assert.ok((high[0] as number) > (high[2] as number));
    const paper = colourTable("sequential", theme).subarray(0, 3);
    for (const [i, part] of paper.entries()) assert.ok(Math.abs((table[128 * 4 + i] as number) - part) < 4);
  });
}

test("the net field is pressure minus vacuum, cell by cell, and every field is made of columns that are asked for", () => {
  const store = new BinStore({ capacity: 2, radius: 1, tickSize: 1, columns: ["pressure_variant", "vacuum_variant"] });
  const columns = new Map([
    ["pressure_variant", [3, 2, 1]],
    ["vacuum_variant", [1, 2, 3]],
  ]);
  store.write(update(0), columns);
  const values = new Float32Array(3);
  fieldValues(fieldNamed("net"), store, 0, values, 0);
  assert.deepEqual([...values], [2, 0, -2]);
  assert.equal(automaticRange(fieldNamed("net"), store, 0, 0), 2);
  for (const field of FIELDS) for (const name of field.columns) assert.ok(SHOWN_COLUMNS.includes(name));
});

const RECT = { x: 10, y: 20, width: 200, height: 100 };

test("pixels and cells are each other's inverse", () => {
  const view = { ...startView(100, 50), right: 1000, centre: 400 };
  assert.equal(xOf(900, view, RECT), 10);
  assert.equal(yOf(400, view, RECT), 70);
  assert.ok(Math.abs(seqAtX(xOf(937.25, view, RECT), view, RECT) - 937.25) < 1e-9);
  assert.ok(Math.abs(ticksAtY(yOf(391.5, view, RECT), view, RECT) - 391.5) < 1e-9);
});

test("zooming leaves what is under the pointer where it is", () => {
  const view = { ...startView(100, 50), right: 1000, centre: 400 };
  const before = [xOf(950, view, RECT), yOf(410, view, RECT)];
  const zoomed = zoomPrice(zoomTime(view, 1.7, 950), 2.1, 410);
  assert.ok(Math.abs(xOf(950, zoomed, RECT) - (before[0] as number)) < 1e-9);
  assert.ok(Math.abs(yOf(410, zoomed, RECT) - (before[1] as number)) < 1e-9);
});

test("the window follows the newest bin and keeps the spot in its middle part, by no more than that needs", () => {
  const view = follow({ ...startView(100, 50), centre: 400 }, 999, 412, 10, 200);
  assert.equal(view.right, 1000 + 10 + 2);
  assert.equal(view.centre, 402);
  assert.equal(follow(view, 1000, 405, 10, 200).centre, 402);
  assert.equal(follow(view, 1000, 700, 10, 200).centre, 700);
});

test("where bins share a pixel the edge moves by whole pixels", () => {
  const rights = [1000, 1001, 1002, 1003, 1004].map((head) => follow(startView(600, 50), head, null, 0, 200).right);
  assert.deepEqual(rights, [1014, 1014, 1017, 1017, 1017]);
});

test("what a hand has moved is no longer followed, and nobody gets lost", () => {
  const moved = pan({ ...startView(100, 50), right: 1000 }, -10, 0);
  assert.deepEqual([moved.followsTime, moved.followsPrice], [false, true]);
  assert.equal(follow(moved, 2000, null, 0, 200).right, 990);
  assert.equal(within(pan(moved, -1e6, 0), 500, 1000, 0).right, 510);
});

test("price labels are round prices, and whole ticks where the tick size is odd", () => {
  const view = { ...startView(100, 40), centre: 400 };
  const prices = priceMarks(view, RECT, 0.25, 25).map((tick) => tick * 0.25);
  assert.deepEqual(prices, [95, 100, 105]);
  assert.ok(priceMarks(view, RECT, 0.3, 25).every(Number.isInteger));
});

test("steps are 1, 2 or 5, and values lie symmetrically around 0", () => {
  assert.deepEqual([0.03, 0.2, 3, 5.1].map(niceStep), [0.05, 0.2, 5, 10]);
  assert.deepEqual(valueMarks(1, 2), [-1, -0.5, 0, 0.5, 1]);
});

test("times are written in the chosen zone, at round seconds", () => {
  const at = Date.UTC(2024, 0, 2, 14, 30, 0);
  assert.equal(new Clock("America/Chicago").time(at + 250, true), "08:30:00.250");
  assert.equal(new Clock("no/where").zone, "UTC");
  assert.equal(isZone("Europe/Berlin"), true);
  assert.deepEqual(
    timeMarks(at - 500, at + 20_500, 5, new Clock("UTC")).map(({ label }) => label),
    ["14:30", "14:30:05", "14:30:10", "14:30:15", "14:30:20"],
  );
});

test("the parts of the stage do not overlap and fill it", () => {
  const { map, volume, depth, priceAxis, score, delta, timeAxis } = layoutOf(1000, 600, 14);
  assert.equal(map.width, volume.x);
  assert.equal(volume.x + volume.width, depth.x);
  assert.equal(depth.x + depth.width, priceAxis.x);
  assert.ok(delta.y >= score.y + score.height);
  assert.equal(delta.y + delta.height, timeAxis.y);
  assert.equal(priceAxis.x + priceAxis.width, 1000);
  assert.ok(score.y >= map.y + map.height);
  assert.equal(timeAxis.y + timeAxis.height, 600);
});

test("a fan begins at the mid and holds the quantiles in absolute ticks, the widest band first", () => {
  const store = new BinStore({ capacity: 4, radius: 1, tickSize: 0.25, columns: [] });
  store.reshape(0, { horizons_bins: [1, 4], quantiles: [0.05, 0.25, 0.5, 0.75, 0.95] });
  const projection = [
    [-2, -1, 0, 1, 2],
    [-4, -2, 1, 3, 5],
  ];
  store.write(update(0, { projection, mid_price: 100 }), null);
  store.write(update(1), null);
  assert.deepEqual(fanOf(store, 0), [
    {
      seq: 0,
      median: 400,
      bands: [
        [400, 400],
        [400, 400],
      ],
    },
    {
      seq: 1,
      median: 400,
      bands: [
        [398, 402],
        [399, 401],
      ],
    },
    {
      seq: 4,
      median: 401,
      bands: [
        [396, 405],
        [398, 403],
      ],
    },
  ]);
  assert.deepEqual(fanOf(store, 1), []);
});

test("past fans follow one another without overlapping, at places that do not wander", () => {
  const shape = { horizons_bins: [1, 50], quantiles: [0.5] };
  assert.deepEqual(pastFans(shape, 120, 260, 10), [100, 150, 200, 250]);
  assert.deepEqual(pastFans(shape, 121, 261, 60), [100, 200]);
});
