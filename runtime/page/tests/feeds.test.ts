import assert from "node:assert/strict";
import { test } from "node:test";
import { listedFeeds } from "../src/model/feeds";
import { endpointsUnder } from "../src/socket/endpoints";

test("the feed that an address names is asked for everywhere, and no other part of its query", () => {
  const found = endpointsUnder("https://desk.example/live/?feed=nq&theme=dark");
  assert.deepEqual(found, {
    stream: "wss://desk.example/live/v1/stream",
    config: "https://desk.example/live/v1/config?feed=nq",
    promotion: "https://desk.example/live/v1/promotion?feed=nq",
    feeds: "https://desk.example/live/v1/feeds",
    feed: "nq",
  });
  const alone = endpointsUnder("http://127.0.0.1:8090/?theme=dark");
  assert.equal(alone.config, "http://127.0.0.1:8090/v1/config");
  assert.equal(alone.feed, null);
});

test("feeds with names are listed, and an answer that is none lists nothing", () => {
  const nq = { name: "nq", instrument: "NQH4", ready: false, reasons: ["the feed is ended"] };
  assert.deepEqual(listedFeeds({ feeds: [nq, { ...nq, name: null }, 3] }), [
    { name: "nq", instrument: "NQH4", isReady: false, reasons: ["the feed is ended"] },
  ]);
  for (const answer of [null, [], { feeds: 1 }, "feeds"]) assert.deepEqual(listedFeeds(answer), []);
});
