import assert from "node:assert/strict";
import { test } from "node:test";
import { columnLabel, unitText } from "../src/model/columns";
import { SHOWN_COLUMNS } from "../src/model/fields";

test("each column of the readout has a plain label, and a sentence that explains it", () => {
  for (const name of ["mid", "score", "events", ...SHOWN_COLUMNS]) {
    const { label, meaning } = columnLabel(name);
    assert.match(label, /^[A-Z]/, name);
    assert.match(meaning, /\.$/, name);
  }
  assert.equal(columnLabel("a_new_column").label, "a new column");
});

test("rates have the unit of their order, and codes say what they stand for", () => {
  const shown = (name: string, value: number | undefined) => [
    columnLabel(name).label,
    unitText(columnLabel(name), value),
  ];
  assert.deepEqual(shown("v_add", 13.7), ["Added", "/s"]);
  assert.deepEqual(shown("j_bid_depth", 1), ["Bid size", "/s\u00b3"]);
  assert.deepEqual(shown("bid_depth", 37), ["Bid size", ""]);
  assert.deepEqual(shown("perm_state5_code", -2), ["Move of best prices", "bear vacuum"]);
  assert.deepEqual(shown("spectrum_state_code", 1), ["Gaining", "pressure"]);
  assert.deepEqual(shown("v_add", undefined), ["Added", ""]);
});
