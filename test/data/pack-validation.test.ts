import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { PackSource } from "../../lib/config/pack.js";
import { pack } from "../../lib/data/pack/index.js";
import { writeImage } from "../helpers/corpus.js";
import { writeNifti } from "../helpers/nifti.js";

t.setTimeout(120_000);
const modalities = ["report", "xray", "ct", "mri", "pathology"] as const;
const volume: [number, number, number] = [4, 8, 8];
const small = {
  preprocessing: {
    report: { length: 12 },
    xray: { size: 16 },
    pathology: { size: 16 },
    ct: { size: volume },
    mri: { size: volume, depthRange: [0, 0.3] as [number, number] },
  },
  workers: 2,
};

/** A case of each modality for every number below `count`. */
async function writeCases(folder: string, count: number): Promise<PackSource[]> {
  const at = (modality: string) => join(folder, modality);
  for (const modality of modalities) mkdirSync(at(modality), { recursive: true });
  for (let i = 0; i < count; i++) {
    writeFileSync(join(at("report"), `${i}.txt`), `the lungs of patient ${i} are clear`);
    for (const modality of ["xray", "pathology"])
      await writeImage(join(at(modality), `${i}.png`), i);
    const value = (x: number, y: number, z: number) => (x < 2 ? -1000 : 10 * x + y + z + i);
    for (const modality of ["ct", "mri"]) {
      writeNifti(join(at(modality), `${i}.nii`), { dims: [8, 8, 14], value });
    }
  }
  return modalities.map((name) => ({ modality: name, recipe: name, path: at(name) }));
}

async function packed(
  out: string,
  sources: PackSource[],
  changes: Partial<Parameters<typeof pack>[0]> = {},
) {
  const result = await pack({ out, sources, ...small, ...changes });
  const aside = result.modalities.map(({ validation }) => validation);
  return { aside, warnings: result.warnings };
}

t.test("none put aside, of whatever modality and for whatever reason, is told", async (t) => {
  const folder = t.testdir();
  const few = await packed(join(folder, "s3"), await writeCases(join(folder, "3"), 3));
  t.same(few.aside, [0, 0, 0, 0, 0]);
  t.same(
    few.warnings,
    modalities.map((name) => `${name}: 3 cases, so none is put aside for validation (from 20 on)`),
  );
  const sources = await writeCases(join(folder, "21"), 21);
  const some = await packed(join(folder, "s21"), sources);
  t.same(some.aside, [0, 0, 0, 0, 0]);
  const why = "training keeps at least 32 records";
  t.same(
    some.warnings,
    modalities.map((name) => `${name}: 21 cases, so none is put aside for validation (${why})`),
  );
  const [reports] = sources as [PackSource];
  const kept = await packed(join(folder, "kept"), sources, { validation: { keepRecords: 8 } });
  t.same(kept, { aside: [2, 2, 2, 2, 2], warnings: [] });
  const rounded = await packed(join(folder, "rounded"), [reports], { validation: { share: 0.01 } });
  t.match(rounded.warnings, [/\(the share is 0\.01\)/]);
  const unwanted = await packed(join(folder, "unwanted"), [reports], { validation: { share: 0 } });
  t.same(unwanted, { aside: [0], warnings: [] });
});
