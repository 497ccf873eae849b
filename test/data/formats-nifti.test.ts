import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import t from "tap";
import { nifti } from "../../lib/data/formats/nifti.js";
import { type NiftiOptions, type NiftiType, niftiBytes, writeNifti } from "../helpers/nifti.js";
import { packDefaults } from "../helpers/packing.js";

const folder = t.testdir();
const options = packDefaults();
let number = 0;
const path = (ending = ".nii") => join(folder, `v${number++}${ending}`);
const read = (changes: NiftiOptions, ending?: string) =>
  nifti.decode(writeNifti(path(ending), changes), options);
const bytes = (content: Uint8Array, ending?: string) => {
  const file = path(ending);
  writeFileSync(file, content);
  return nifti.decode(file, options);
};
const dims = [4, 3, 2];
/** Axes as in axial DICOM slices: nothing has to be turned. */
const lps = [
  [-2, 0, 0, 0],
  [0, -3, 0, 0],
  [0, 0, 5, 0],
];

t.test("every real type, either byte order, both versions, packed or not", async (t) => {
  const types: NiftiType[] = ["uint8", "int8", "int16", "uint16", "int32", "uint32"];
  types.push("float32", "float64", "int64", "uint64");
  const expected = Array.from({ length: 24 }, (_, n) => n);
  for (const type of types) {
    for (const bigEndian of [false, true]) {
      for (const version of [1, 2] as const) {
        const value = (i: number, j: number, k: number) => i + 4 * j + 12 * k;
        const ending = bigEndian ? ".nii.gz" : ".nii";
        const volume = await read({ dims, type, bigEndian, version, sform: lps, value }, ending);
        t.same([...volume.voxels], expected, `${type} ${bigEndian} ${version}`);
        t.match(volume, {
          shape: [2, 3, 4],
          spacingMm: [5, 3, 2],
          orientation: "LPS",
          dtype: type,
        });
      }
    }
  }
});

t.test("slope and intercept; a slope of 0 means none", async (t) => {
  const scaled = await read({ dims, sform: lps, slope: 2, intercept: -10, value: () => 7 });
  t.ok(scaled.voxels.every((value) => value === 4));
  const plain = await read({ dims, sform: lps, slope: 0, intercept: -10, value: () => 7 });
  t.ok(plain.voxels.every((value) => value === 7));
});

t.test("axes are turned to left, back and head", async (t) => {
  const ras = await read({
    dims,
    sform: [
      [2, 0, 0, 0],
      [0, 3, 0, 0],
      [0, 0, 5, 0],
    ],
  });
  t.equal(ras.orientation, "RAS");
  t.equal(ras.voxels[0], 3 + 10 * 2, "the first voxel is the last of i and j");
  const sagittal = await read({
    dims,
    sform: [
      [0, 0, -5, 0],
      [-2, 0, 0, 0],
      [0, 3, 0, 0],
    ],
  });
  t.equal(sagittal.orientation, "PSL");
  t.same(sagittal.shape, [3, 4, 2], "z is j, y is i, x is k");
  t.same(sagittal.storedShape, [2, 3, 4]);
  t.same(sagittal.spacingMm, [3, 2, 5]);
  t.equal(sagittal.voxels[1], 100);
  t.equal(sagittal.voxels[2], 1);
  t.equal(sagittal.voxels[8], 10);
});

t.test("quaternions, rounding in them, and files without a matrix", async (t) => {
  const spacing: [number, number, number] = [2, 3, 5];
  const turned = await read({ dims, spacing, qform: [0, 0, 1, 1] });
  t.equal(turned.orientation, "LPS");
  const rounded = await read({ dims, spacing, qform: [0, 0, 1.0000002, 1] });
  t.equal(rounded.orientation, "LPS");
  const flipped = await read({ dims, spacing, qform: [1.0000002, 0, 0, -1] });
  t.equal(flipped.orientation, "RPS");
  t.same(rounded.spacingMm?.map(Math.round), [5, 3, 2]);
  const bare = await read({ dims, spacing });
  t.match(bare, { orientation: "LAS", spacingMm: [5, 3, 2] });
  const broken = await read({
    dims,
    spacing,
    sform: [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ],
  });
  t.equal(broken.orientation, "LAS");
});

t.test("units of length", async (t) => {
  const metres = await read({ dims, sform: lps.map((row) => row.map((x) => x / 1000)), units: 1 });
  t.same(metres.spacingMm?.map(Math.round), [5, 3, 2]);
  const microns = await read({ dims, sform: lps.map((row) => row.map((x) => x * 1000)), units: 3 });
  t.same(microns.spacingMm, [5, 3, 2]);
});

t.test("a fourth axis of one volume is fine, of more is not", async (t) => {
  t.same((await read({ dims: [4, 3, 2, 1], sform: lps })).shape, [2, 3, 4]);
  await t.rejects(read({ dims: [4, 3, 2, 2] }), {
    code: "E_FILE_UNSUPPORTED",
    message: /2 volumes/,
  });
});

t.test("bad files: one error each, without the path", async (t) => {
  const good = niftiBytes({ dims: [40, 30, 20] });
  const patched = (at: number, value: number) => {
    const copy = Buffer.from(good);
    copy.writeInt16LE(value, at);
    return copy;
  };
  const huge = niftiBytes({ dims: [1, 1, 1] });
  for (const axis of [1, 2, 3]) huge.writeInt16LE(32767, 40 + 2 * axis);
  const cases: Array<[string, () => Promise<unknown>, string]> = [
    ["truncated", () => bytes(good.subarray(0, 5000)), "E_FILE_FORMAT"],
    ["truncated gzip", () => bytes(gzipSync(good).subarray(0, 900), ".nii.gz"), "E_FILE_FORMAT"],
    ["short", () => bytes(good.subarray(0, 100)), "E_FILE_FORMAT"],
    ["header only", () => bytes(good.subarray(0, 348)), "E_FILE_FORMAT"],
    ["noise", () => bytes(Buffer.alloc(2000, 0x5a)), "E_FILE_FORMAT"],
    ["negative size", () => bytes(patched(42, -3)), "E_FILE_FORMAT"],
    ["too many axes", () => bytes(patched(40, 9)), "E_FILE_FORMAT"],
    ["complex", () => read({ dims, type: "complex64" }), "E_FILE_UNSUPPORTED"],
    ["hostile size", () => bytes(huge), "E_FILE_TOO_LARGE"],
    ["hostile size in gzip", () => bytes(gzipSync(huge), ".nii.gz"), "E_FILE_TOO_LARGE"],
    ["missing", () => nifti.decode(join(folder, "none.nii"), options), "E_FILE_UNREADABLE"],
  ];
  const far = Buffer.from(good);
  far.writeFloatLE(Number.NaN, 108);
  cases.push(["offset", () => bytes(far), "E_FILE_FORMAT"]);
  for (const [name, result, code] of cases) {
    const error = await result().then(
      () => undefined,
      (reason) => reason,
    );
    t.equal(error?.code, code, name);
    t.notOk(error?.message.includes(folder), name);
  }
});

t.test("what a gzip holds beyond its voxels is not unpacked", async (t) => {
  const bomb = gzipSync(Buffer.concat([niftiBytes({ dims, sform: lps }), Buffer.alloc(2 ** 26)]));
  const before = process.memoryUsage().rss;
  t.same((await bytes(bomb, ".nii.gz")).shape, [2, 3, 4]);
  t.ok(process.memoryUsage().rss - before < 2 ** 25);
});

t.test("recognised by its magic", async (t) => {
  t.ok(nifti.matches(niftiBytes({ dims })));
  t.ok(nifti.matches(niftiBytes({ dims, version: 2 })));
  t.notOk(nifti.matches(Buffer.alloc(400)));
});
