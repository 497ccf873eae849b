import { join } from "node:path";
import t from "tap";
import { type BatchOptions, prefetch, trainingBatches } from "../../lib/data/batches.js";
import { openStore, type Store } from "../../lib/data/store.js";
import { sparseStore } from "../helpers/generated-store.js";

const RECORDS = 1_000_000;
const MEBIBYTE = 2 ** 20;

const folder = t.testdir();
const record = { dtype: "u8" as const, shape: [224, 224, 1] };
const path = join(folder, "large");
await sparseStore(path, "xray", { kind: "image2d", record, count: RECORDS });
await sparseStore(join(folder, "small"), "xray", { kind: "image2d", record, count: 10_000 });

const options: BatchOptions = {
  batchSize: 64,
  seed: 1,
  stage: 1,
  training: true,
  sampling: "permutation",
  channelOrder: "rgb",
};

function held(): number {
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** Milliseconds of sampling `count` batches, without reading. */
function sampling(store: Store, count: number): number {
  const source = trainingBatches(store.dataset("xray", "train"), options);
  source.indices(0);
  const start = performance.now();
  for (let step = 0; step < count; step++) source.indices(step);
  return performance.now() - start;
}

t.test("a store of a million records opens at once and takes little memory", async (t) => {
  const before = held();
  const start = performance.now();
  await using store = await openStore(path);
  const { train, validation } = store.info("xray");
  const milliseconds = performance.now() - start;
  t.equal(train + validation, RECORDS);
  t.ok(milliseconds < 5000, `${milliseconds.toFixed(0)} ms`);
  t.ok(held() - before < 32 * MEBIBYTE, `${((held() - before) / MEBIBYTE).toFixed(1)} MiB`);
  t.comment(`opened in ${milliseconds.toFixed(0)} ms`);
});

t.test("its batches come from all of it, each record once in an epoch", async (t) => {
  await using store = await openStore(path);
  const dataset = store.dataset("xray", "train");
  const source = trainingBatches(dataset, { ...options, workers: 1 });
  const seen = new Set<number>();
  for await (const { step, batch } of prefetch(source, 0, 20)) {
    for (const index of source.indices(step)) seen.add(index);
    t.equal(batch.kind, "image2d");
  }
  t.equal(seen.size, 20 * options.batchSize);
  const [least, most] = [Math.min(...seen), Math.max(...seen)];
  t.ok(least < dataset.length / 10 && most > (dataset.length * 9) / 10);
  t.equal(store.recordNumber("xray", "train", 0), 1);
  t.equal(store.recordNumber("xray", "train", dataset.length - 1), RECORDS - 1);
});

t.test("sampling it takes about as long as sampling a small one", async (t) => {
  await using large = await openStore(path);
  await using small = await openStore(join(folder, "small"));
  sampling(large, 200);
  const [slow, fast] = [sampling(large, 500), sampling(small, 500)];
  t.comment(`${slow.toFixed(1)} ms and ${fast.toFixed(1)} ms for 500 batches`);
  t.ok(slow < 5000);
});
