import t from "tap";
import { type PackPresetName, resolvePack } from "../../lib/config/pack-presets.js";
import type { DecodedVolume } from "../../lib/data/formats/types.js";
import { prepareCt } from "../../lib/data/preprocess/ct.js";
import { prepareMri } from "../../lib/data/preprocess/mri.js";
import { parameters, parametersDigest } from "../../lib/data/preprocess/recipes.js";
import { resample } from "../../lib/trainer.js";
import { packDefaults } from "../helpers/packing.js";

type Triple = [number, number, number];
const limit = 2 ** 24;

const resolved = (preset: PackPresetName | undefined, preprocessing = {}) => {
  const sources = [{ modality: "ct", recipe: "ct" as const, path: "x" }];
  return resolvePack({ out: "store", sources, ...(preset && { preset }), preprocessing });
};

/** A ball of 1000 in the middle of -1000. */
function ball(shape: Triple, spacingMm: Triple | undefined, radius: number): DecodedVolume {
  const edges = spacingMm ?? [1, 1, 1];
  const voxels = new Float32Array(shape[0] * shape[1] * shape[2]).map((_, i) => {
    const at = [Math.floor(i / (shape[1] * shape[2])), Math.floor(i / shape[2]) % shape[1]];
    const distance = [...at, i % shape[2]].map(
      (n, axis) => (n - ((shape[axis] as number) - 1) / 2) * (edges[axis] as number),
    );
    return Math.hypot(...distance) < radius ? 1000 : -1000;
  });
  return { kind: "volume3d", voxels, shape, spacingMm, storedShape: shape, dtype: "int16" };
}

/** Voxels of the widest row and column that are over `level`, with the size of a slice. */
function extent(voxels: ArrayLike<number>, [depth, height, width]: Triple, level: number) {
  let [rows, columns] = [0, 0];
  for (let z = 0; z < depth; z++) {
    const over = (y: number, x: number) =>
      (voxels[(z * height + y) * width + x] as number) > level ? 1 : 0;
    for (let y = 0; y < height; y++) {
      let count = 0;
      for (let x = 0; x < width; x++) count += over(y, x);
      columns = Math.max(columns, count);
    }
    for (let x = 0; x < width; x++) {
      let count = 0;
      for (let y = 0; y < height; y++) count += over(y, x);
      rows = Math.max(rows, count);
    }
  }
  return [rows, columns];
}

t.test("a preset gives what the configuration leaves open", async (t) => {
  const { preset, preprocessing } = resolved(undefined);
  t.equal(preset, "published");
  t.same(preprocessing, packDefaults().preprocessing);
  const physical = resolved("physical", { mri: { spacingMm: 1 } }).preprocessing;
  t.same(physical.mri.spacingMm, [1, 1, 1]);
  t.match(physical, { ct: { spacingMm: [2, 2, 2], fit: "crop" }, mri: { antialias: true } });
  const wrong = [
    { preset: "physics" as PackPresetName, preprocessing: {}, field: "preset" },
    {
      preset: "physical" as const,
      preprocessing: { ct: { tileDepth: 24 } },
      field: "preprocessing.ct.tileDepth",
    },
    {
      preset: "published" as const,
      preprocessing: { mri: { spacingMm: [1, 0, 1] } },
      field: "preprocessing.mri.spacingMm",
    },
  ];
  for (const { preset, preprocessing, field } of wrong) {
    t.throws(() => resolved(preset, preprocessing), { code: "E_CONFIG", values: { field } });
  }
});

t.test("MRI packed before there were presets can be added to", async (t) => {
  const digest = (preset: PackPresetName) =>
    parametersDigest(parameters("mri", resolved(preset).preprocessing));
  t.equal(
    digest("published"),
    parametersDigest({
      ...{
        recipe: "mri",
        revision: 1,
        depthRange: [0.1, 0.9],
        stride: 8,
        percentiles: [0.2, 99.8],
      },
      ...{ size: [16, 192, 192], inPlane: "rows" },
    }),
  );
  t.not(digest("physical"), digest("published"));
});

t.test("physical: a ball in a CT of uneven voxels stays round", async (t) => {
  const { ct } = resolved("physical", { ct: { size: [16, 64, 48] } }).preprocessing;
  const tiles = await prepareCt(ball([30, 50, 90], [4, 1.6, 0.8], 30), ct, limit, resample);
  t.same(
    tiles.map(({ slices }) => slices),
    [0, 8, 16, 24, 32, 40, 44].map((start) => [start, start + 16]),
    "60 slices of 2 mm",
  );
  const middle = tiles[3]?.voxels as Int16Array;
  const [rows, columns] = extent(middle, ct.size as Triple, 0) as [number, number];
  t.ok(
    Math.abs(rows - 30) <= 1 && Math.abs(columns - 30) <= 1,
    `${rows} x ${columns} voxels of 2 mm`,
  );
  t.equal(middle[0], -1024, "air beside the volume, which is 40 voxels high");
});

t.test("physical: a short CT is filled up with air", async (t) => {
  const { ct } = resolved("physical", { ct: { size: [16, 32, 32] } }).preprocessing;
  const [tile, ...rest] = await prepareCt(ball([10, 40, 40], [2, 2, 2], 8), ct, limit, resample);
  t.same(tile?.slices, [0, 10]);
  t.equal(rest.length, 0);
  t.ok(tile?.voxels.subarray(10 * 32 * 32).every((value) => value === -1024));
});

t.test("physical: a ball in an MRI of uneven voxels stays round, rows or columns", async (t) => {
  const { mri } = resolved("physical", { mri: { size: [16, 48, 80] } }).preprocessing;
  for (const inPlane of ["rows", "columns"] as const) {
    const scan = ball([30, 50, 120], [2.5, 1.25, 0.625], 25);
    const tiles = await prepareMri(scan, { ...mri, inPlane }, limit, resample);
    t.same(tiles[0]?.slices, [6, 22], "60 slices, those from 6 to 53 are kept");
    const middle = tiles[2]?.voxels as Float32Array;
    const found = extent(middle, mri.size as Triple, (middle[0] as number) + 1);
    t.ok(
      found.every((n) => Math.abs(n - 40) <= 2),
      `${found} voxels of 1.25 mm`,
    );
  }
});

t.test("physical: an MRI without spacing, or too large a one, is refused", async (t) => {
  const { mri } = resolved("physical").preprocessing;
  const scan = ball([30, 20, 20], undefined, 6);
  await t.rejects(prepareMri(scan, mri, limit, resample), { code: "E_FILE_UNSUPPORTED" });
  const large = ball([30, 20, 20], [90, 90, 90], 600);
  await t.rejects(prepareMri(large, mri, limit, resample), { code: "E_FILE_TOO_LARGE" });
});
