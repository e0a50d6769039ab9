import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces } from "../src/model/evidence";

const DIGEST = "a6ce6a2df2c21c2e294f42c65d894f3a335b63d63336e59d92355cf0f94dcbf9";

test("a digest is shown by its first digits, alone and within a sentence", () => {
  assert.deepEqual(pieces(DIGEST), [{ text: "a6ce6a2df2c2\u2026", digest: DIGEST }]);
  assert.deepEqual(pieces(`signal ${DIGEST}, evaluation 2`), [
    { text: "signal ", digest: null },
    { text: "a6ce6a2df2c2\u2026", digest: DIGEST },
    { text: ", evaluation 2", digest: null },
  ]);
});

test("ids, numbers and words are shown as they are", () => {
  for (const text of ["2f4b44f715a812d5", "1704206420000000000", "the same, of SYN", ""])
    assert.deepEqual(pieces(text), [{ text, digest: null }]);
});
