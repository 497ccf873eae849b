import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Recipe } from "../../lib/config/pack.js";
import { pack } from "../../lib/data/pack/index.js";
import { readRejected } from "../helpers/corpus.js";
import { type Hostile, hostileImages, hostileTables, hostileVolumes } from "../helpers/hostile.js";
import { packageRoot } from "../helpers/package-root.js";

t.setTimeout(200_000);
const folder = t.testdir();
const preprocessing = {
  xray: { size: 8 },
  ct: { size: [2, 4, 4] as [number, number, number] },
  report: { length: 8 },
};

async function packHostile(t: Test, recipe: Recipe, { path, bad }: Hostile) {
  const out = join(folder, `store-${recipe}`);
  const sources = [{ modality: recipe, recipe, path }];
  const result = await pack({ out, sources, preprocessing, workers: 2 });
  const root = path.split("/").at(-1) as string;
  const found = Object.fromEntries(
    readRejected(out).map(({ path: name = "", code, reason }) => {
      t.ok(reason && !reason.includes(folder), `${name}: ${reason}`);
      return [name.slice(root.length + 1).replace(/#[0-9a-f]{8}$/, ""), code];
    }),
  );
  for (const [name, code] of Object.entries(bad)) {
    t.match(found[name] ?? "not rejected", new RegExp(`^${code}`), name);
  }
  t.same(Object.keys(found).sort(), Object.keys(bad).sort());
  t.match(result.modalities, [{ rejected: Object.keys(bad).length }]);
  return result;
}

t.test("pictures", async (t) => {
  const damaged = readFileSync(join(packageRoot, "test/fixtures/dicom/u12-jls.dcm"));
  const hostile = await hostileImages(join(folder, "xray"), damaged);
  const { modalities } = await packHostile(t, "xray", hostile);
  t.match(modalities, [{ added: hostile.good }]);
});

t.test("volumes", async (t) => {
  const hostile = hostileVolumes(join(folder, "ct"));
  const { modalities } = await packHostile(t, "ct", hostile);
  t.match(modalities, [{ added: 3, skipped: { "link to a folder already searched": 1 } }]);
});

t.test("tables", async (t) => {
  const hostile = hostileTables(join(folder, "report"));
  const { modalities } = await packHostile(t, "report", hostile);
  t.match(modalities, [{ added: 3 }]);
});
