import t from "tap";
import type { DecodedVolume } from "../../lib/data/formats/types.js";
import { prepareCt } from "../../lib/data/preprocess/ct.js";
import { prepareMri } from "../../lib/data/preprocess/mri.js";
import { percentiles } from "../../lib/data/preprocess/percentile.js";
import { resizeItk, tileStarts } from "../../lib/data/preprocess/volume.js";
import { resample } from "../../lib/trainer.js";
import { packDefaults } from "../helpers/packing.js";

type Value = (z: number, y: number, x: number) => number;

function volume(
  shape: [number, number, number],
  spacingMm: [number, number, number] | undefined,
  value: Value,
): DecodedVolume {
  const voxels = new Float32Array(shape[0] * shape[1] * shape[2]);
  let n = 0;
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++) voxels[n++] = value(z, y, x);
    }
  }
  return { kind: "volume3d", voxels, shape, spacingMm, storedShape: shape, dtype: "int16" };
}

const limit = 2 ** 24;
const ct = (changes: Record<string, unknown> = {}) =>
  packDefaults({ preprocessing: { ct: { size: [4, 6, 6], ...changes } } }).preprocessing.ct;
const mri = (changes: Record<string, unknown> = {}) =>
  packDefaults({ preprocessing: { mri: { size: [4, 6, 6], stride: 2, ...changes } } }).preprocessing
    .mri;

t.test("tiles: every stride, the last one aligned to the end", async (t) => {
  t.same(tileStarts(140, 24, 12), [0, 12, 24, 36, 48, 60, 72, 84, 96, 108, 116]);
  t.same(tileStarts(24, 24, 12), [0]);
  t.same(tileStarts(25, 24, 12), [0, 1]);
  t.same(tileStarts(13, 24, 12), [0]);
});

t.test("ITK's resize keeps the origin and gives 0 from half a voxel past the end", async (t) => {
  const voxels = Float32Array.of(1, 2, 3);
  const resized = async (width: number) => {
    const plain = { interpolation: "linear", antialias: false } as const;
    const size: [number, number, number] = [1, 1, width];
    const volume = { voxels, shape: [1, 1, 3] as [number, number, number] };
    return [...(await resizeItk(volume, size, plain, "float32", resample)).voxels];
  };
  t.same(await resized(6), [1, 1.5, 2, 2.5, 3, 0]);
  t.same(await resized(12), [1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3, 0, 0]);
  t.same(await resized(2), [1, 2.5]);
});

t.test("CT: 1 mm, tiles, Hounsfield units clipped", async (t) => {
  const scan = volume([10, 6, 6], [5, 2, 2], (z, y, x) => 1000 * (x - 2) + y + z);
  const tiles = await prepareCt(scan, ct(), limit, resample);
  t.same(
    tiles.map(({ slices }) => slices),
    [
      [0, 24],
      [12, 36],
      [24, 48],
      [26, 50],
    ],
  );
  const values = tiles.flatMap(({ voxels }) => [...voxels]);
  t.equal(Math.min(...values), -1024);
  t.equal(Math.max(...values), 1024);
  t.type(tiles[0]?.voxels, Int16Array);
  t.equal(tiles[0]?.voxels.length, 4 * 6 * 6);
});

t.test("CT: short tiles from 13 slices on, none below; columns instead of rows", async (t) => {
  const value: Value = (_, y, x) => 10 * y + x;
  const short = volume([13, 6, 6], [1, 1, 1], value);
  const [tile] = await prepareCt(short, ct(), limit, resample);
  t.same(tile?.slices, [0, 13]);
  t.equal(tile?.voxels[1], 1);
  const turned = volume([13, 6, 6], [1, 1, 1], value);
  const [other] = await prepareCt(turned, ct({ inPlane: "columns" }), limit, resample);
  t.equal(other?.voxels[1], 10);
  await t.rejects(prepareCt(volume([12, 6, 6], [1, 1, 1], value), ct(), limit, resample), {
    code: "E_FILE_CONTENT",
    message: /12 slices/,
  });
});

t.test("CT: the rim is cut off above a size", async (t) => {
  const bodyCrop = { above: 8, from: 0.25, to: 0.75 };
  const scan = volume([13, 12, 12], [1, 1, 1], (_, y, x) => 100 * y + x);
  const [tile] = await prepareCt(scan, ct({ bodyCrop }), limit, resample);
  t.equal(tile?.voxels[0], 303);
  t.equal(tile?.voxels[35], 808);
});

t.test("CT: refused without spacing, over the limit, constant or without a number", async (t) => {
  const grow: Value = (z) => z;
  const cases: Array<[DecodedVolume, number, string]> = [
    [volume([13, 6, 6], undefined, grow), limit, "E_FILE_UNSUPPORTED"],
    [volume([13, 6, 6], [90, 90, 90], grow), limit, "E_FILE_TOO_LARGE"],
    [volume([13, 6, 6], [1, 1, 1], () => 7), limit, "E_FILE_CONTENT"],
    [volume([13, 6, 6], [1, 1, 1], () => Number.NaN), limit, "E_FILE_CONTENT"],
    [volume([13, 6, 6], [1, 1, 1], (z) => 2000 + z), limit, "E_FILE_CONTENT"],
  ];
  for (const [scan, most, code] of cases) {
    await t.rejects(prepareCt(scan, ct(), most, resample), { code });
  }
});

t.test("MRI: middle slices, tiles, z-score after the percentile clip", async (t) => {
  const scan = volume([20, 9, 9], undefined, (z, y, x) => (x + y * z) % 17);
  const tiles = await prepareMri(scan, mri(), limit, resample);
  t.same(
    tiles.map(({ slices }) => slices),
    [2, 4, 6, 8, 10, 12, 14].map((start) => [start, start + 4]),
  );
  for (const { voxels } of tiles) {
    const mean = voxels.reduce((a, b) => a + b, 0) / voxels.length;
    const variance = voxels.reduce((a, b) => a + (b - mean) ** 2, 0) / voxels.length;
    t.ok(Math.abs(mean) < 1e-5);
    t.ok(Math.abs(variance - 1) < 1e-4);
  }
});

t.test("MRI: values that are not finite, constant tiles, too few slices", async (t) => {
  const holes = volume([20, 6, 6], undefined, (z, y, x) => (x === 0 ? Number.NaN : y * x + z));
  for (const { voxels } of await prepareMri(holes, mri(), limit, resample)) {
    t.ok(voxels.every(Number.isFinite));
  }
  const half = volume([20, 6, 6], undefined, (z, _, x) => (z < 10 ? 0 : x));
  const tiles = await prepareMri(half, mri({ inPlane: "columns" }), limit, resample);
  t.same(tiles[0]?.slices, [8, 12]);
  const ends = volume([20, 6, 6], undefined, (z) => (z === 0 ? 1 : 0));
  await t.rejects(prepareMri(ends, mri(), limit, resample), { code: "E_FILE_CONTENT" });
  const flat = volume([4, 6, 6], undefined, (_, y, x) => x + y);
  await t.rejects(prepareMri(flat, mri(), limit, resample), { message: /3 of 4 slices/ });
});

t.test("percentiles as NumPy gives them", async (t) => {
  t.same(percentiles(Float32Array.from([4, 1, 3, 2, 5]), [0, 50, 100]), [1, 3, 5]);
  t.same(percentiles(Float32Array.from([10, 0]), [25, 75]), [2.5, 7.5]);
  const many = Float32Array.from({ length: 1001 }, (_, i) => (i * 379) % 1001);
  t.same(percentiles(many, [0.2, 99.8]), [2, 998]);
});
