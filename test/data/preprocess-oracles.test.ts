import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { DecodedVolume } from "../../lib/data/formats/types.js";
import { prepareCt } from "../../lib/data/preprocess/ct.js";
import { prepareImage } from "../../lib/data/preprocess/image.js";
import { prepareMri } from "../../lib/data/preprocess/mri.js";
import { resample } from "../../lib/trainer.js";
import { packageRoot } from "../helpers/package-root.js";
import { packDefaults } from "../helpers/packing.js";

type Triple = [number, number, number];
interface Described {
  slices: [number, number];
  mean: number;
  values: number[];
}
interface Expected {
  every: number;
  volumes: Array<{ recipe: "ct" | "mri"; shape: Triple; spacingMm?: Triple; records: Described[] }>;
  images: Array<{ shape: number[]; values: number[] }>;
}

const file = join(packageRoot, "test/fixtures/preprocess/preprocess.json");
const { every, volumes, images }: Expected = JSON.parse(readFileSync(file, "utf8"));
const { preprocessing } = packDefaults();
const limit = 2 ** 24;

/** The formula of make.py. */
function ground(shape: readonly number[]): number[] {
  const length = shape.reduce((a, b) => a * b);
  return Array.from({ length }, (_, i) => {
    let [rest, wave, steps] = [i, 0, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const at = rest % (shape[axis] as number);
      rest = Math.floor(rest / (shape[axis] as number));
      wave += (axis + 2) * ((at * (axis + 3)) % 53);
      steps += Math.floor(at / 9);
    }
    return wave + 600 * (steps % 3);
  });
}

const sampled = (values: ArrayLike<number>, step: number) =>
  Array.from({ length: Math.ceil(values.length / step) }, (_, i) => values[i * step] as number);
const mean = (values: ArrayLike<number>) =>
  Array.from(values).reduce((a, b) => a + b) / values.length;
const worst = (found: number[], expected: number[]) =>
  Math.max(...found.map((value, i) => Math.abs(value - (expected[i] as number))));

for (const { recipe, shape, spacingMm, records } of volumes) {
  t.test(`${recipe} of ${shape} as the published libraries make it`, async (t) => {
    const offset = recipe === "ct" ? -1400 : 0;
    const voxels = Float32Array.from(ground(shape), (value) => value + offset);
    const dtype = "int16";
    const volume: DecodedVolume = {
      kind: "volume3d",
      voxels,
      shape,
      spacingMm,
      storedShape: shape,
      dtype,
    };
    const found: Array<{ voxels: ArrayLike<number>; slices: [number, number] }> =
      recipe === "ct"
        ? await prepareCt(volume, preprocessing.ct, limit, resample)
        : await prepareMri(volume, preprocessing.mri, limit, resample);
    t.same(
      found.map(({ slices }) => slices),
      records.map(({ slices }) => slices),
    );
    // Hounsfield units are rounded twice, z-scores not at all.
    const [most, mostMean] = recipe === "ct" ? [1, 1e-2] : [1e-4, 1e-5];
    for (const [i, { voxels }] of found.entries()) {
      const { values, mean: expected } = records[i] as Described;
      const difference = worst(sampled(voxels, every), values);
      t.ok(difference <= most, `values of record ${i} differ by ${difference}`);
      t.ok(Math.abs(mean(voxels) - expected) <= mostMean, `mean of record ${i}`);
    }
  });
}

for (const { shape, values } of images) {
  t.test(`image of ${shape} as Pillow stretches it`, async (t) => {
    const [height, width, channels = 1] = shape as [number, number, number?];
    const pixels = Uint8Array.from(ground(shape), (value) => value % 256);
    const image = { kind: "image2d" as const, pixels, height, width, dtype: "uint8" };
    const options = channels === 1 ? preprocessing.xray : preprocessing.pathology;
    const record = await prepareImage({ ...image, channels: channels as 1 | 3 }, options);
    const difference = worst(sampled(record, Math.floor(every / 11)), values);
    t.equal(difference, 0);
  });
}
