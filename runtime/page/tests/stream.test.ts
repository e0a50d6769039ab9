import assert from "node:assert/strict";
import { test } from "node:test";
import { columnFromArray, tableFromColumns, tableToIPC } from "@uwdata/flechette";
import type { Cells, GridUpdate } from "../src/model/protocol";
import { ProtocolError } from "../src/socket/checks";
import { decodeText } from "../src/socket/decode";
import { Frames } from "../src/socket/frames";
import { config, RADIUS, status, update } from "./help";

const ROWS = 2 * RADIUS + 1;

/** The messages of an Arrow stream: its schema, and its one record batch. */
function messages(values: number[], name = "v_add"): [Uint8Array, Uint8Array] {
  const stream = tableToIPC(tableFromColumns({ [name]: columnFromArray(Float64Array.from(values)) }), {
    format: "stream",
  });
  assert.ok(stream);
  // A message: a mark, the length of its head, the head; the schema has no body.
  const view = new DataView(stream.buffer, stream.byteOffset);
  const end = 8 + view.getInt32(4, true);
  return [stream.slice(0, end), stream.slice(end)];
}

function listening() {
  const heard = {
    bins: [] as [number[], Cells | null][],
    bad: [] as string[],
    errors: [] as string[],
    states: [] as number[],
  };
  const frames = new Frames({
    config: () => {},
    bins: (updates: readonly GridUpdate[], cells) => heard.bins.push([updates.map(({ seq }) => seq), cells]),
    shadow: () => heard.states.push(2),
    status: () => heard.states.push(1),
    error: (message) => heard.errors.push(message),
    badFrame: (reason) => heard.bad.push(reason),
  });
  const [schema] = messages([0]);
  frames.takeText(JSON.stringify(config({ schema: Buffer.from(schema).toString("base64") })));
  return { frames, heard };
}

function binary(values: number[]): ArrayBuffer {
  return new Uint8Array(messages(values)[1]).buffer;
}

test("a bin is its text and the frame right behind it", () => {
  const { frames, heard } = listening();
  frames.takeText(JSON.stringify(update(7)));
  assert.equal(heard.bins.length, 0);
  frames.takeBinary(binary([1, 2, 3, 4, 5.5]));
  assert.deepEqual(heard.bins[0]?.[0], [7]);
  assert.deepEqual(Array.from(heard.bins[0]?.[1]?.get("v_add") ?? []), [1, 2, 3, 4, 5.5]);
  assert.deepEqual(heard.bad, []);
});

test("history is many bins and one frame", () => {
  const { frames, heard } = listening();
  frames.takeText(JSON.stringify({ type: "grid_history", updates: [update(1), update(2)] }));
  frames.takeBinary(binary(Array.from({ length: 2 * ROWS }, (_, i) => i)));
  assert.deepEqual(heard.bins[0]?.[0], [1, 2]);
  assert.equal(heard.bins[0]?.[1]?.get("v_add")?.length, 2 * ROWS);
});

test("without columns no frame is waited for", () => {
  const { frames, heard } = listening();
  frames.takeText(JSON.stringify(config({ fields: [] })));
  frames.takeText(JSON.stringify(update(3)));
  assert.deepEqual(heard.bins, [[[3], null]]);
});

const BAD_FRAMES: [string, ArrayBuffer, RegExp][] = [
  ["noise", new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9]).buffer, /Arrow record batch|rows/],
  ["too few rows", binary([1, 2]), /5 rows, not 2/],
  ["nothing", new ArrayBuffer(0), /rows/],
  ["cut off", binary([1, 2, 3, 4, 5]).slice(0, 150), /frame/],
];

for (const [what, frame, reason] of BAD_FRAMES) {
  test(`a frame that is ${what} costs its own cells and nothing else`, () => {
    const { frames, heard } = listening();
    frames.takeText(JSON.stringify(update(1)));
    frames.takeBinary(frame);
    frames.takeText(JSON.stringify(update(2)));
    frames.takeBinary(binary([1, 2, 3, 4, 5]));
    assert.deepEqual(
      heard.bins.map(([seqs, cells]) => [seqs, cells === null]),
      [
        [[1], true],
        [[2], false],
      ],
    );
    assert.equal(heard.bad.length, 1);
    assert.match(heard.bad[0] as string, reason);
  });
}

test("a text that can't be read takes its frame with it, and is told once", () => {
  const { frames, heard } = listening();
  frames.takeText("{broken");
  frames.takeBinary(binary([1, 2, 3, 4, 5]));
  frames.takeText(JSON.stringify(status()));
  assert.deepEqual([heard.bad.length, heard.bins.length, heard.states.length], [1, 0, 1]);
  assert.match(heard.bad[0] as string, /should be JSON, not "\{broken"/);
});

test("a frame that did not come leaves its bin without cells", () => {
  const { frames, heard } = listening();
  frames.takeText(JSON.stringify(update(1)));
  frames.takeText(JSON.stringify(update(2)));
  frames.takeBinary(binary([1, 2, 3, 4, 5]));
  assert.deepEqual(
    heard.bins.map(([seqs, cells]) => [seqs, cells === null]),
    [
      [[1], true],
      [[2], false],
    ],
  );
  assert.deepEqual(heard.bad, ["the binary frame of a bin did not come"]);
});

test("a frame that nobody announced is told", () => {
  const { frames, heard } = listening();
  frames.takeBinary(binary([1, 2, 3, 4, 5]));
  assert.deepEqual([heard.bad.length, heard.bins.length], [1, 0]);
});

const BAD_TEXTS: [string, unknown, RegExp][] = [
  ["no object", [1], /message should be an object, not \[1\]/],
  ["of no type", { type: "surprise" }, /message.type should be a type of this protocol, not "surprise"/],
  ["without a number", { ...update(1), seq: "1" }, /grid_update.seq should be a whole number of at least 0, not "1"/],
  ["with a time as a number", { ...update(1), bin_start_ns: 1.7e18 }, /bin_start_ns should be nanoseconds as a text/],
  ["with a direction of 2", { ...update(1), fire: 2 }, /grid_update.fire should be -1, 0 or 1, not 2/],
  ["with a tick out of range", { ...update(1), spot_tick: 2 ** 40 }, /spot_tick/],
  ["of another protocol", config({ protocol: 2 }), /protocol should be 1/],
  ["with no tick size", config({ tick_size: 0 }), /tick_size should be more than 0, not 0/],
  [
    "with a wrong outcome",
    { ...update(1), outcomes: [{}] },
    /grid_update.outcomes\[0\].model should be a text, not nothing/,
  ],
];

for (const [what, message, reason] of BAD_TEXTS) {
  test(`a message ${what} is refused with what was wanted and what was found`, () => {
    assert.throws(
      () => decodeText(JSON.stringify(message)),
      (error) => error instanceof ProtocolError && reason.test(error.message),
    );
  });
}

test("what a message holds beyond the protocol is let be", () => {
  const read = decodeText(JSON.stringify({ ...update(4), event_id: 9, something: { new: true } }));
  assert.deepEqual(read, update(4));
});

test("what a server of before does not say is not unsafe, and nothing is coming", () => {
  const { unsafe: _unsafe, ...model } = config().model;
  const older = decodeText(JSON.stringify({ ...config(), model }));
  assert.deepEqual(older, config());
  const { coming: _coming, ...quiet } = status();
  assert.deepEqual(decodeText(JSON.stringify(quiet)), status());
  const told = { ...status(), coming: { version: "v2", bins_to_go: null } };
  assert.deepEqual(decodeText(JSON.stringify(told)), told);
  const marked = config({ model: { ...config().model, unsafe: ["audit"] } });
  assert.deepEqual(decodeText(JSON.stringify(marked)), marked);
});

test("an error of the server is told", () => {
  const { frames, heard } = listening();
  frames.takeText(JSON.stringify({ type: "error", message: "no signal" }));
  assert.deepEqual(heard.errors, ["no signal"]);
});

test("what a model of one's own says of past bins is read without a frame", () => {
  const said = { seq: 7, score: null, fire: -1, ready: true, outcomes: [], orders: [] };
  const text = JSON.stringify({ type: "shadow_history", updates: [said] });
  const message = decodeText(text);
  assert.equal(message.type, "shadow_history");
  assert.deepEqual(message, {
    type: "shadow_history",
    updates: [{ seq: 7, score: null, fire: -1, outcomes: [], orders: [] }],
  });
  assert.throws(() => decodeText(text.replace("-1", "3")), /fire should be -1, 0 or 1/);
});
