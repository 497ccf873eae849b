import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { ResampleOptions } from "../../lib/native/types.js";
import { resample } from "../../lib/trainer.js";
import { packageRoot } from "../helpers/package-root.js";

type Triple = [number, number, number];
interface Case extends Omit<ResampleOptions, "voxels" | "shape" | "dtype"> {
  name: string;
  /** float32 in base64. */
  values: string;
}

const file = join(packageRoot, "test/fixtures/resample/resample.json");
const { shape, cases }: { shape: Triple; cases: Case[] } = JSON.parse(readFileSync(file, "utf8"));

/** The volume of make.py. */
function volume(): Int16Array {
  const values: number[] = [];
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++) {
        const ground = (z * 7 + y * 13 + x * 31 + ((x * y + z) % 11) * 5) % 256;
        const edge = (z + Math.floor(y / 3) + Math.floor(x / 2)) % 4 === 0;
        values.push(edge ? 1000 + ground : ground - 1000);
      }
    }
  }
  return Int16Array.from(values);
}

const voxels = volume();
const range = Math.max(...voxels) - Math.min(...voxels);

function worst(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let most = found.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < found.length; i++) {
    most = Math.max(most, Math.abs((found[i] as number) - (expected[i] as number)));
  }
  return most;
}

for (const { name, values, ...options } of cases) {
  t.test(`${name} at ${options.size}`, async (t) => {
    const bytes = Buffer.from(values, "base64");
    const expected = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    );
    const found = await resample({ ...options, shape, voxels });
    t.ok(worst(found, expected) < 1e-5 * range, `off by ${worst(found, expected) / range}`);
  });
}

t.test("element types give the same; int16 rounds halves to even", async (t) => {
  const grid = {
    size: [5, 20, 8] as Triple,
    scale: [1.8, 0.7, 1.4] as Triple,
    shift: [0, 0, 0] as Triple,
  };
  const options = { ...grid, shape, interpolation: "bspline", antialias: true } as const;
  const found = await resample({ ...options, voxels: Float32Array.from(voxels) });
  t.same(await resample({ ...options, voxels }), found);
  const bytes = Uint8Array.from(voxels, (value) => value & 255);
  const fromBytes = await resample({ ...options, voxels: bytes });
  t.same(fromBytes, await resample({ ...options, voxels: Float32Array.from(bytes) }));
  const halves = {
    voxels: Float32Array.of(0, 1, 2, 3, 40000, -40000),
    shape: [1, 1, 6] as Triple,
    size: [1, 1, 6] as Triple,
    scale: [1, 1, 1] as Triple,
  };
  const rounded = await resample({ ...halves, shift: [0, 0, 0.5], dtype: "int16" });
  t.same(rounded.constructor, Int16Array);
  t.same([...rounded], [0, 2, 2, 20002, 0, -32768]);
});

t.test("a whole step along an axis gives the voxels themselves", async (t) => {
  const found = await resample({
    voxels,
    shape,
    size: [9, 7, 11],
    scale: [1, 2, -1],
    shift: [0, 1, 10],
    interpolation: "bspline",
    dtype: "int16",
  });
  const expected = Int16Array.from({ length: 9 * 7 * 11 }, (_, i) => {
    const [z, y, x] = [Math.floor(i / 77), Math.floor(i / 11) % 7, i % 11];
    return voxels[(z * 14 + 2 * y + 1) * 11 + 10 - x] as number;
  });
  t.same(found, expected);
});

t.test("positions far outside, one voxel along an axis, large shrinking", async (t) => {
  const line = { voxels: Float32Array.of(1, 2, 4), shape: [1, 1, 3] as Triple };
  const far = await resample({
    ...line,
    size: [2, 2, 4],
    scale: [1e300, 3, 1e9],
    shift: [0, 0, -1],
    boundary: "mirror",
    interpolation: "bspline",
  });
  t.ok(far.every(Number.isFinite));
  const mirrored = await resample({
    ...line,
    size: [1, 1, 6],
    scale: [1, 1, 1],
    shift: [0, 0, -2],
    boundary: "mirror",
  });
  t.same([...mirrored], [4, 2, 1, 2, 4, 2]);
  const mean = await resample({
    ...line,
    size: [1, 1, 1],
    scale: [1, 1, 3],
    shift: [0, 0, 1],
    antialias: true,
  });
  t.ok((mean[0] as number) > 2 && (mean[0] as number) < 2.5);
  const huge = {
    ...line,
    size: [1, 1, 2] as Triple,
    scale: [1, 1, 1e6] as Triple,
    shift: [0, 0, 0] as Triple,
  };
  await t.rejects(resample({ ...huge, antialias: true }), { code: "E_ARGUMENT" });
  await t.rejects(resample({ ...huge, dtype: "int8" as "int16" }), { code: "E_ARGUMENT" });
});
