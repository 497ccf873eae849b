import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { packSchema } from "../../lib/config/pack.js";
import { csv } from "../../lib/data/formats/csv.js";
import { nifti } from "../../lib/data/formats/nifti.js";
import { corpusPaths, hasCorpora, writeCorpora } from "../../lib/demo/corpora.js";

const sizes = { report: 30, xray: 2, ct: 3, mri: 1, pathology: 2 };
const folder = t.testdir();
const { limits, hdf5Dataset } = packSchema.parse({
  out: "store",
  sources: [{ modality: "ct", recipe: "ct", path: "ct" }],
});
const options = { limits, hdf5Dataset };

t.before(async () => {
  const seen: string[] = [];
  await writeCorpora(folder, {
    seed: 3,
    sizes,
    onFile: (_d, total, m) => seen.push(`${m}/${total}`),
  });
  t.equal(seen.length, 8);
  t.same([...new Set(seen)], ["xray/2", "ct/3", "mri/1", "pathology/2"]);
});

const paths = corpusPaths(folder);

t.test("reports are a table with case, findings and impression", async (t) => {
  const table = await csv.decode(paths.report, options);
  t.same(table.columns, ["case", "findings", "impression"]);
  const rows: Array<Record<string, string>> = [];
  for await (const row of table.rows()) rows.push(row);
  t.equal(rows.length, 30);
  t.ok(rows.every((row) => (row.findings as string).split(" ").length > 8));
  t.ok(new Set(rows.map((row) => row.findings)).size > 25, "they differ");
});

t.test("X-rays are grey JPEG, sections colour PNG", async (t) => {
  const xray = await sharp(join(paths.xray, "case0000.jpg")).metadata();
  t.match(xray, { format: "jpeg", channels: 1 });
  t.ok(xray.width >= 208 && xray.height >= 208);
  t.match(await sharp(join(paths.pathology, "slide0001.png")).metadata(), {
    ...{ format: "png", channels: 3, width: 224, height: 224 },
  });
});

t.test("CT is in Hounsfield units with plausible sizes", async (t) => {
  t.same(readdirSync(paths.ct).sort(), ["ct0000.nii.gz", "ct0001.nii.gz", "ct0002.nii.gz"]);
  for (const name of ["ct0000.nii.gz", "ct0002.nii.gz"]) {
    const scan = await nifti.decode(join(paths.ct, name), options);
    t.match(scan, { orientation: "LPS", dtype: "int16" });
    const [z, y, x] = scan.shape.map((n, i) => n * (scan.spacingMm?.[i] as number));
    t.ok((z as number) > 90 && (y as number) > 200 && (x as number) > 180, `${z} x ${y} x ${x} mm`);
    const share = (low: number, high: number) =>
      scan.voxels.filter((value) => value >= low && value < high).length / scan.voxels.length;
    t.ok(share(-1024, -900) > 0.15, "air");
    t.ok(share(-20, 150) > 0.1, "soft tissue");
    t.ok(share(200, 2000) > 0.005, "bone");
  }
});

t.test("MRI is not negative and has bright and dark tissue", async (t) => {
  const scan = await nifti.decode(join(paths.mri, "mri0000.nii.gz"), options);
  t.same(scan.shape, [46, 160, 128]);
  t.ok(scan.voxels.every((value) => value >= 0));
  t.ok(scan.voxels.filter((value) => value > 350).length / scan.voxels.length > 0.1);
});

t.test("the same seed gives the same bytes, another seed others", async (t) => {
  const small = { report: 4, xray: 1, ct: 1, mri: 0, pathology: 1 };
  const [a, b, c] = [t.testdir({ a: {}, b: {}, c: {} })].flatMap((at) =>
    ["a", "b", "c"].map((n) => join(at, n)),
  );
  for (const [at, seed] of [
    [a, 7],
    [b, 7],
    [c, 8],
  ] as const) {
    await writeCorpora(at as string, { seed, sizes: small });
  }
  for (const name of [
    "report/reports.csv",
    "xray/case0000.jpg",
    "ct/ct0000.nii.gz",
    "pathology/slide0000.png",
  ]) {
    const bytes = (at: string | undefined) => readFileSync(join(at as string, name));
    t.ok(bytes(a).equals(bytes(b)), name);
    t.notOk(bytes(a).equals(bytes(c)), name);
  }
});

t.test("finished corpora are known by seed and sizes", async (t) => {
  t.ok(await hasCorpora(folder, { seed: 3, sizes }));
  t.notOk(await hasCorpora(folder, { seed: 4, sizes }));
  t.notOk(await hasCorpora(join(folder, "elsewhere"), { seed: 3, sizes }));
  const left = join(folder, "xray", "left-over.jpg");
  writeFileSync(left, "");
  await writeCorpora(folder, { seed: 3, sizes: { ...sizes, ct: 0, mri: 0 } });
  t.notOk(readdirSync(paths.xray).includes("left-over.jpg"), "a new corpus replaces the old one");
});
