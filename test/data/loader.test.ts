import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { Batch, ImageBatch } from "../../lib/batch.js";
import {
  type BatchOptions,
  prefetch,
  trainingBatches,
  validationBatches,
} from "../../lib/data/batches.js";
import type { Dataset } from "../../lib/data/dataset.js";
import { Loader, originOf } from "../../lib/data/loader/loader.js";
import type { Plan } from "../../lib/data/loader/protocol.js";
import { openStore, type Store } from "../../lib/data/store.js";
import { readIndex } from "../../lib/data/store-index.js";
import { loadTokenizer } from "../../lib/data/tokenizer.js";
import { generateStore } from "../helpers/generated-store.js";

t.setTimeout(120_000);
const folder = t.testdir();
const path = (name: string) => join(folder, name);
writeFileSync(
  path("vocab.txt"),
  ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "c", "d", "##e", "f"].join("\n"),
);
const tokenizer = await loadTokenizer(path("vocab.txt"));

const image = { kind: "image2d", record: { dtype: "u8", shape: [8, 6, 3] }, count: 70 } as const;
const volume = { kind: "volume3d", record: { dtype: "i16", shape: [2, 3, 4] }, count: 40 } as const;
const text = { kind: "text", record: { dtype: "i32", shape: [12] }, count: 40 } as const;
const copy = <T extends { record: { shape: readonly number[] } }>(of: T) => ({
  ...of,
  record: { ...of.record, shape: [...of.record.shape] },
});
const own = path("own");
await generateStore(own, "image", copy(image), (i, place) => (i * 7 + place) % 256);
await generateStore(own, "volume", copy(volume), (i, place) => i * 100 - place);
const token = (i: number, place: number) => (place < 10 ? 5 + ((i + place) % 6) : 0);
await generateStore(own, "text", copy(text), token, (i) => 5 + (i % 5));

const options: BatchOptions = {
  batchSize: 8,
  seed: 3,
  stage: 2,
  training: true,
  sampling: "permutation",
  channelOrder: "bgr",
  crop: { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] },
  wordMask: { tokenizer, quota: "real-tokens", probability: 0.3 },
};

/** Values of all arrays, whatever memory they lie in. */
const plain = (batch: Batch) =>
  Object.fromEntries(
    Object.entries(batch).map(([name, value]) => [
      name,
      ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value,
    ]),
  );

async function batchesOf(store: Store, name: string, workers: number): Promise<unknown[]> {
  const all = store.dataset(name, "train");
  const chosen = store.records(name, [3, 9, 1, 30, 2, 7, 8, 21, 22]);
  const given = { ...options, workers };
  const sources = [
    trainingBatches(all, given),
    trainingBatches(chosen, { ...given, sampling: "with-replacement" }),
    validationBatches(all, given),
  ];
  const batches: unknown[] = [];
  for (const source of sources) {
    for await (const { step, batch } of prefetch(source, 0, 5)) {
      batches.push({ step, ...plain(batch) });
    }
  }
  return batches;
}

t.test("batches are the same for any number of threads", async (t) => {
  for (const workers of [1, 2, 4]) {
    await using store = await openStore(own);
    for (const name of ["image", "volume", "text"]) {
      const expected = await batchesOf(store, name, 0);
      t.same(await batchesOf(store, name, workers), expected, `${name}, ${workers} threads`);
    }
  }
});

t.test("memory serves one batch after another, and never two at a time", async (t) => {
  await using store = await openStore(own);
  const dataset = store.dataset("image", "train");
  const source = trainingBatches(dataset, { ...options, workers: 2 });
  for await (const { step, batch } of prefetch(source, 0, 24)) {
    const { pixels } = batch as ImageBatch;
    t.type(pixels.buffer, SharedArrayBuffer);
    const records = Array.from(source.indices(step), (i) => (i * 7 + 2) % 256);
    t.same(
      records,
      Array.from({ length: 8 }, (_, i) => pixels[i * 144]),
    );
  }
  t.equal(source.ahead, 3);
  const buffers = originOf(dataset)?.loader.freeBuffers ?? 0;
  t.ok(buffers > 0 && buffers <= source.ahead + 1, `${buffers} buffers`);
  const kept = await Promise.all([source.batch(0), source.batch(1), source.batch(0)]);
  t.same(plain(kept[2] as Batch), plain(kept[0] as Batch));
  t.notSame(plain(kept[1] as Batch), plain(kept[0] as Batch));
});

t.test("a read that fails rejects its own batch, with its code", async (t) => {
  await generateStore(path("short"), "own", copy(image), (i) => i);
  await using store = await openStore(path("short"));
  const source = validationBatches(store.dataset("own", "train"), { ...options, workers: 1 });
  const before = await source.batch(0);
  truncateSync(join(path("short"), "own/00000.safetensors"), 512 + 144 * 20);
  const found = await Promise.allSettled([0, 1, 2, 3, 0].map((step) => source.batch(step)));
  t.same(
    found.map((each) => (each.status === "rejected" ? each.reason.code : "read")),
    ["read", "read", "E_STORE_CORRUPT", "E_STORE_CORRUPT", "read"],
  );
  t.same(plain(await source.batch(0)), plain(before));
  const all = async () => {
    for await (const _ of prefetch(source, 1, 4));
  };
  await t.rejects(all(), { code: "E_STORE_CORRUPT", message: /ends too early/ });
});

t.test("a data set made from that of a store is read by this thread", async (t) => {
  await using store = await openStore(own);
  const { kind, record, read } = store.dataset("image", "train");
  const half: Dataset = { kind, record, length: 35, read };
  const source = trainingBatches(half, { ...options, workers: 2 });
  const { pixels } = (await source.batch(0)) as ImageBatch;
  t.type(pixels.buffer, ArrayBuffer);
  t.same(
    plain(await source.batch(1)),
    plain(await trainingBatches(half, { ...options, workers: 0 }).batch(1)),
  );
});

t.test(
  "closing ends threads and rejects what is under way; leaving early leaks nothing",
  async (t) => {
    const files = () => readdirSync("/proc/self/fd").length;
    const before = files();
    for (let i = 0; i < 3; i++) {
      const store = await openStore(own);
      const source = trainingBatches(store.dataset("image", "train"), { ...options, workers: 2 });
      for await (const { step } of prefetch(source, 0, 20)) if (step === 3) break;
      const waiting = [4, 5, 6, 7].map((step) => source.batch(step));
      const settled = Promise.allSettled(waiting);
      await store.close();
      for (const each of await settled) {
        t.ok(each.status === "fulfilled" || each.reason.code === "E_CLOSED");
      }
      await t.rejects(source.batch(0), { code: "E_CLOSED" });
    }
    t.ok(files() <= before + 2, `${files()} open files, ${before} before`);
  },
);

t.test("a thread that cannot work rejects its batch, and the next one is tried anew", async (t) => {
  const plan: Plan = { use: "training", records: { modality: "ct", part: "train" }, options };
  const { wordMask: _, ...cloneable } = options;
  const place = { workers: 1, bytes: 8 };
  const key = { step: 0, ordinal: 0 };
  const index = await readIndex(own);
  const loader = new Loader({ path: own, index });
  await t.rejects(loader.batch({ ...plan, options: cloneable }, key, place), {
    code: "E_NO_MODALITY",
  });
  const senseless = { ...plan, options: cloneable, records: null } as unknown as Plan;
  await t.rejects(loader.batch(senseless, key, place), { code: "E_INTERNAL" });
  await loader.close();
  const broken = new Loader({ path: own, index: {} as typeof index });
  for (let i = 0; i < 2; i++) {
    await t.rejects(broken.batch({ ...plan, options: cloneable }, key, place), {
      code: "E_INTERNAL",
      message: /thread/,
    });
  }
  t.equal(broken.freeBuffers, 1);
  await broken.close();
});

t.test("a token that the tokenizer does not know is refused in threads too", async (t) => {
  await generateStore(
    path("foreign"),
    "own",
    copy(text),
    () => 99,
    () => 12,
  );
  await using store = await openStore(path("foreign"));
  for (const workers of [0, 1]) {
    const source = trainingBatches(store.dataset("own", "train"), { ...options, workers });
    await t.rejects(source.batch(0), { code: "E_ARGUMENT", message: /an id from 0 to 10/ });
  }
});
