import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COLOUR_STEPS, colourStep, colourTable } from "../src/model/colour-map";
import { type Colour, distance, lightness, VISIONS } from "./colour-vision";

/** The colours that the style sheet defines for a theme, by name. */
function palette(theme: "dark" | "light"): Map<string, Colour> {
  const sheet = readFileSync("src/app/colours.css", "utf8");
  const start = sheet.indexOf(`:root[data-theme="${theme}"]`);
  const block = sheet.slice(start, sheet.indexOf("}", start));
  const found = [...block.matchAll(/--([\w-]+): #([0-9a-f]{6})/g)].map(([, name, digits]) => {
    const value = Number.parseInt(digits as string, 16);
    return [name as string, [value >> 16, (value >> 8) & 255, value & 255] as Colour] as const;
  });
  return new Map(found);
}

function at(table: Uint8Array, step: number): Colour {
  return [table[step * 4] as number, table[step * 4 + 1] as number, table[step * 4 + 2] as number];
}

test("the simulation leaves greys as they are, and lets red and green look alike to those who lack a cone", () => {
  for (const vision of Object.keys(VISIONS)) assert.ok(distance([128, 128, 128], [129, 129, 129], vision) < 1);
  const [red, green]: Colour[] = [
    [190, 60, 40],
    [100, 110, 30],
  ] as Colour[];
  const far = distance(red as Colour, green as Colour, "normal");
  assert.ok(distance(red as Colour, green as Colour, "deuteranopia") < far / 2.5);
});

for (const theme of ["dark", "light"] as const) {
  for (const vision of Object.keys(VISIONS)) {
    test(`bid and ask look apart, from each other and from the paper (${theme}, ${vision})`, () => {
      const colours = palette(theme);
      const [bid, ask, panel, mid] = ["bid", "ask", "panel", "mid"].map((name) => colours.get(name) as Colour);
      assert.ok(distance(bid as Colour, ask as Colour, vision) > 60);
      for (const side of [bid, ask]) {
        assert.ok(distance(side as Colour, panel as Colour, vision) > 45);
        assert.ok(distance(side as Colour, mid as Colour, vision) > 30);
      }
    });

    test(`take-profit and stop-loss look apart (${theme}, ${vision})`, () => {
      const colours = palette(theme);
      assert.ok(distance(colours.get("good") as Colour, colours.get("bad") as Colour, vision) > 24);
    });

    test(`both ends of a map look apart at every strength that is seen (${theme}, ${vision})`, () => {
      for (const [kind, least] of [
        ["sides", 20],
        ["diverging", 14],
      ] as const) {
        const table = colourTable(kind, theme);
        for (const strength of [0.3, 0.5, 0.75, 1]) {
          const [low, high] = [
            at(table, colourStep(-strength, kind, 1, 1)),
            at(table, colourStep(strength, kind, 1, 1)),
          ];
          assert.ok(distance(low, high, vision) > least, `${kind} at ${strength}: ${distance(low, high, vision)}`);
        }
      }
    });
  }

  test(`the map of the sides is in the hues of bid and ask, growing away from the paper (${theme})`, () => {
    const table = colourTable("sides", theme);
    const steps = [0.2, 0.5, 0.8].map((part) => [colourStep(-part, "sides", 1, 1), colourStep(part, "sides", 1, 1)]);
    for (const [low, high] of steps as [number, number][]) {
      const [bid, ask] = [at(table, low), at(table, high)];
      assert.ok(bid[2] > bid[0], "bids are blue");
      assert.ok(ask[0] > ask[2], "asks are orange");
    }
    for (const side of [-1, 1]) {
      const lights = [0, 0.25, 0.5, 0.75, 1].map((part) =>
        lightness(at(table, colourStep(side * part, "sides", 1, 1))),
      );
      const growing = lights.toSorted((a, b) => (theme === "dark" ? a - b : b - a));
      assert.deepEqual(lights, growing);
    }
  });
}

test("a logarithmic scale gives a tenth of the range half of the strength, and keeps the sign", () => {
  const middle = (COLOUR_STEPS - 1) / 2;
  const tenth = colourStep(0.1, "sides", 1, 1, "log") - middle;
  assert.ok(Math.abs(tenth / middle - 0.52) < 0.01);
  assert.equal(colourStep(-1, "sides", 1, 1, "log"), 0);
  assert.equal(colourStep(0, "sides", 1, 2.4, "log"), colourStep(0, "sides", 1, 1));
});
