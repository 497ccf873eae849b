import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { ImageBatch, TextBatch, VolumeBatch } from "../../lib/batch.js";
import {
  type BatchOptions,
  prefetch,
  trainingBatches,
  validationBatches,
} from "../../lib/data/batches.js";
import type { Dataset, RecordFormat, RecordView } from "../../lib/data/dataset.js";
import { loadTokenizer } from "../../lib/data/tokenizer.js";

const vocabulary = join(t.testdir(), "vocab.txt");
const words = Array.from({ length: 50 }, (_, i) => `w${i}`);
writeFileSync(vocabulary, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words].join("\n"));
const tokenizer = await loadTokenizer(vocabulary);

/** Records whose first value is their number. */
function numbered(kind: Dataset["kind"], record: RecordFormat, length: number): Dataset {
  const read = (index: number, into: RecordView) => {
    into.data.forEach((_, i) => {
      into.data[i] = kind === "text" ? 5 + (i % 50) : i;
    });
    if (kind !== "text") into.data[0] = index;
    into.length = 10;
  };
  return { kind, record, length, read };
}

const options: BatchOptions = {
  batchSize: 4,
  seed: 1,
  stage: 1,
  training: true,
  sampling: "permutation",
  channelOrder: "rgb",
  crop: { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] },
  wordMask: { tokenizer, quota: "real-tokens", probability: 0.15 },
};
const images = numbered("image2d", { dtype: "u8", shape: [8, 6, 3] }, 11);
const volumes = numbered("volume3d", { dtype: "i16", shape: [2, 3, 4], scale: 1 / 1024 }, 9);
const texts = numbered("text", { dtype: "i32", shape: [16] }, 9);

t.test(
  "images: pixels of the sampled records, crops and flips; BGR exchanges red and blue",
  async (t) => {
    const source = trainingBatches(images, options);
    t.equal(source.batchesPerEpoch, 2);
    const batch = (await source.batch(3)) as ImageBatch;
    t.same(batch.shape, [4, 8, 6, 3]);
    const first = Array.from({ length: 4 }, (_, i) => batch.pixels[i * 144]);
    t.same(first, [...source.indices(3)]);
    t.equal(batch.crops?.length, 16);
    t.equal(batch.flips?.length, 4);
    const bgr = (await trainingBatches(images, { ...options, channelOrder: "bgr" }).batch(
      3,
    )) as ImageBatch;
    t.same([...bgr.pixels.subarray(0, 6)], [2, 1, batch.pixels[0], 5, 4, 3]);
    t.same(bgr.crops, batch.crops);
  },
);

t.test("a batch is a function of its step, whatever was asked for before", async (t) => {
  for (const dataset of [images, volumes, texts]) {
    const a = trainingBatches(dataset, options);
    const b = trainingBatches(dataset, options);
    const wanted = await a.batch(5);
    await b.batch(0);
    await b.batch(9);
    t.same(await b.batch(5), wanted);
    t.notSame(await a.batch(4), wanted);
  }
});

t.test("volumes carry scale, offset and flips", async (t) => {
  const batch = (await trainingBatches(volumes, options).batch(0)) as VolumeBatch;
  t.same(batch.shape, [4, 2, 3, 4]);
  t.equal(batch.scale, 1 / 1024);
  t.equal(batch.offset, 0);
  t.equal(batch.flips?.length, 4);
  t.type(batch.voxels, Int16Array);
});

t.test("texts are masked, or left alone without a word mask", async (t) => {
  const masked = (await trainingBatches(texts, options).batch(0)) as TextBatch;
  t.same([...masked.lengths], [10, 10, 10, 10]);
  t.ok(masked.labels?.some((label) => label !== -100));
  const { wordMask: _, ...bare } = options;
  const clean = (await trainingBatches(texts, bare).batch(0)) as TextBatch;
  t.equal(clean.labels, undefined);
  t.ok(clean.ids.every((id) => id !== tokenizer.special.mask));
});

t.test(
  "validation: in order, nothing left out, no augmentation, the same masks in every stage",
  async (t) => {
    const source = validationBatches(images, { ...options, training: false });
    t.equal(source.batchesPerEpoch, 3);
    const last = (await source.batch(2)) as ImageBatch;
    t.same([...source.indices(2)], [8, 9, 10]);
    t.same(last.shape, [3, 8, 6, 3]);
    t.same([...(last.crops as Float32Array).subarray(0, 4)], [0, 0, 8, 6]);
    t.ok(last.flips?.every((flip) => flip === 0));
    const stage = (n: number) => validationBatches(texts, { ...options, stage: n }).batch(1);
    t.same(await stage(1), await stage(5));
    t.equal(validationBatches({ ...images, length: 0 }, options).batchesPerEpoch, 0);
    t.equal(source.indices(3).length, 0);
  },
);

t.test("too few records and records of the wrong kind are refused", async (t) => {
  t.throws(() => trainingBatches({ ...images, length: 3 }, options), { code: "E_ARGUMENT" });
  const wrong = { ...images, record: { dtype: "i16", shape: [8, 6, 3] } as RecordFormat };
  t.throws(() => validationBatches(wrong, options), { code: "E_ARGUMENT", message: /image2d/ });
});

t.test("prefetch begins a batch while the one before is in use", async (t) => {
  const begun: number[] = [];
  const source = {
    ...trainingBatches(images, options),
    batch: async (step: number) => {
      begun.push(step);
      return trainingBatches(images, options).batch(step);
    },
  };
  const steps: number[] = [];
  for await (const { step, batch, waitMs } of prefetch(source, 2, 5)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    steps.push(step);
    t.equal(begun.at(-1), Math.min(4, step + 1));
    t.equal(batch.kind, "image2d");
    t.ok(waitMs >= 0);
  }
  t.same(steps, [2, 3, 4]);
  t.same(begun, [2, 3, 4]);
  for await (const _ of prefetch(source, 3, 3)) t.fail("no step");
});

t.test("an error while reading reaches the one who asks for the batch", async (t) => {
  const read = () => Promise.reject(new Error("gone"));
  const source = trainingBatches({ ...images, read }, options);
  await t.rejects(source.batch(0), /gone/);
  const all = async () => {
    for await (const _ of prefetch(source, 0, 2));
  };
  await t.rejects(all(), /gone/);
});
