// Builds the page into dist/, which is part of the project: the machine that serves it has no Node.
// `node build.mjs [FOLDER]` writes elsewhere, `tests` bundles the unit tests, `watch` builds at every change.
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const shared = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", charset: "utf8" };

function page(out) {
  return {
    ...shared,
    entryPoints: {
      page: "src/app/main.ts",
      style: "src/app/style.css",
      docs: "src/app/docs.ts",
      "docs-style": "src/app/docs.css",
    },
    outdir: join(out, "assets"),
    minify: true,
    legalComments: "none",
    banner: { js: "// Contains @uwdata/flechette; its licence lies beside this file in flechette.LICENSE.txt." },
  };
}

function copyStatic(out) {
  cpSync(join(here, "static"), out, { recursive: true });
  cpSync(join(here, "node_modules/@uwdata/flechette/LICENSE"), join(out, "assets/flechette.LICENSE.txt"));
}

async function buildTests() {
  const outdir = join(here, "node_modules/.page/tests");
  rmSync(outdir, { recursive: true, force: true });
  const names = readdirSync(join(here, "tests")).filter((name) => name.endsWith(".test.ts"));
  const entryPoints = names.map((name) => join("tests", name));
  await esbuild.build({ ...shared, entryPoints, outdir, platform: "node", outExtension: { ".js": ".mjs" } });
}

const [what = join(here, "dist")] = process.argv.slice(2);
if (what === "tests") {
  await buildTests();
} else {
  const out = what === "watch" ? join(here, "dist") : what;
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "assets"), { recursive: true });
  copyStatic(out);
  if (what === "watch") await (await esbuild.context(page(out))).watch();
  else await esbuild.build(page(out));
}
