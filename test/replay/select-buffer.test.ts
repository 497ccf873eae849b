import t from "tap";
import { bufferOptionsSchema } from "../../lib/config/buffer.js";
import { presets } from "../../lib/config/presets.js";
import type { Dataset } from "../../lib/data/dataset.js";
import { loadTokenizer } from "../../lib/data/tokenizer.js";
import { type SelectBufferInput, selectBuffer } from "../../lib/replay/build-buffer.js";
import { extractFeatures } from "../../lib/replay/features.js";
import { Trainer } from "../../lib/trainer.js";
import { microDataset, microModel, microVocabulary } from "../helpers/micro.js";

t.setTimeout(120_000);

const trainer = await Trainer.create({ size: microModel, seed: 4, threads: 1 });
t.teardown(() => trainer.close());

/** Images that differ in every record. */
function images(length: number): Dataset {
  const base = microDataset("image2d", length);
  return {
    ...base,
    read(index, into) {
      base.read(index, into);
      into.data.fill((index * 37) % 256, 0, 200 + (index % 9) * 90);
    },
  };
}

function input(dataset: Dataset, changes: Partial<SelectBufferInput> = {}): SelectBufferInput {
  return {
    trainer,
    dataset,
    modality: "xray",
    stage: 2,
    seed: 7,
    behaviour: presets.corrected(),
    batchSize: 32,
    recordNumber: (index) => 1000 + index,
    checkpointDigest: "0".repeat(64),
    dataDigest: "digest",
    options: bufferOptionsSchema.parse({}),
    ...changes,
  };
}

t.test("any number of samples gives a buffer", async (t) => {
  const sizes: Array<[number, number, number, number]> = [
    [1, 1, 1, 1],
    [5, 1, 1, 1],
    [99, 1, 4, 4],
    [100, 1, 5, 5],
    [250, 2, 6, 12],
  ];
  for (const [from, clusters, perCluster, samples] of sizes) {
    const buffer = await selectBuffer(input(images(from)));
    t.match(buffer, { from, clusters, perCluster, method: "kmeans", stage: 2, seed: 7 }, `${from}`);
    t.equal(buffer.samples.length, samples, `${from} samples`);
    t.equal(buffer.centres.length, clusters * 24);
    const records = new Set(buffer.samples.map(({ record }) => record));
    t.equal(records.size, samples);
    t.ok([...records].every((record) => record >= 1000 && record < 1000 + from));
  }
  await t.rejects(selectBuffer(input(images(0))), { code: "E_ARGUMENT" });
});

t.test("the samples of a cluster are those nearest to its centre", async (t) => {
  const options = bufferOptionsSchema.parse({ centres: 0.04, share: 0.2 });
  const dataset = images(120);
  const { clusters, centres, width, samples } = await selectBuffer(input(dataset, { options }));
  const { values } = await extractFeatures(input(dataset));
  const distances = Array.from({ length: 120 }, (_, i) =>
    Array.from({ length: clusters }, (_, c) =>
      Math.hypot(
        ...Array.from(values.subarray(i * width, (i + 1) * width), (value, j) => {
          return value - (centres[c * width + j] as number);
        }),
      ),
    ),
  );
  const labels = distances.map((row) => row.indexOf(Math.min(...row)));
  t.equal(clusters, 4);
  for (let cluster = 0; cluster < clusters; cluster++) {
    const wanted = labels
      .flatMap((label, i) => (label === cluster ? [distances[i]?.[cluster] as number] : []))
      .sort((a, b) => a - b)
      .slice(0, 6);
    const found = samples.filter((sample) => sample.cluster === cluster);
    t.equal(found.length, wanted.length);
    found.forEach((sample, i) => {
      t.ok(Math.abs(sample.distance - (wanted[i] as number)) < 1e-4 * (1 + sample.distance));
    });
  }
});

t.test("a buffer follows from the seed, whatever the batch size", async (t) => {
  const dataset = images(250);
  const records = async (changes: Partial<SelectBufferInput>) => {
    const buffer = await selectBuffer(input(dataset, changes));
    return buffer.samples.map(({ record }) => record).sort((a, b) => a - b);
  };
  const first = await selectBuffer(input(dataset));
  t.same(await selectBuffer(input(dataset)), first);
  t.same(await records({ batchSize: 7 }), await records({}));
  t.same(await records({ batchSize: 1000 }), await records({}));
  const random = bufferOptionsSchema.parse({ method: "random" });
  t.notSame(await records({ options: random, seed: 8 }), await records({ options: random }));
  t.same(await records({ options: random }), await records({ options: random, batchSize: 9 }));
});

t.test("equal samples do not break the clusters", async (t) => {
  const base = microDataset("image2d", 250);
  const same: Dataset = { ...base, read: (_, into) => base.read(0, into) };
  const buffer = await selectBuffer(input(same));
  const records = new Set(buffer.samples.map(({ record }) => record));
  t.equal(records.size, buffer.samples.length);
  t.ok(buffer.samples.length >= 6 && buffer.samples.length <= 12);
  t.ok(buffer.samples.every(({ distance }) => distance < 1e-3));
});

t.test("the other methods keep as many samples", async (t) => {
  for (const method of ["random", "herding"] as const) {
    const options = bufferOptionsSchema.parse({ method });
    const buffer = await selectBuffer(input(images(250), { options }));
    t.match(buffer, { method, clusters: 1, perCluster: 12 });
    t.equal(new Set(buffer.samples.map(({ record }) => record)).size, 12);
  }
});

t.test("a budget caps the buffer", async (t) => {
  const capped = (budget: string | number) =>
    selectBuffer(input(images(250), { options: bufferOptionsSchema.parse({ budget }) }));
  t.match(await capped(3), { samples: { length: 3 }, perCluster: 2, recordBytes: 1024 });
  t.equal((await capped("5KiB")).samples.length, 5);
  await t.rejects(capped("1kB"), { code: "E_CONFIG", message: /less than one sample/ });
});

t.test("published features depend on the batches, and still on nothing else", async (t) => {
  const behaviour = presets.published();
  const tokenizer = await loadTokenizer(await microVocabulary(t.testdir()));
  const train = await Trainer.create({ size: microModel, seed: 4, threads: 1, preset: behaviour });
  t.teardown(() => train.close());
  const values = async (changes: Partial<SelectBufferInput>) => {
    const dataset = microDataset("text", 40);
    const table = await extractFeatures(input(dataset, { trainer: train, behaviour, ...changes }));
    return Array.from(table.values);
  };
  const first = await values({ tokenizer });
  t.same(await values({ tokenizer }), first);
  t.notSame(await values({ tokenizer, stage: 3 }), first, "drop path follows the stage");
  t.notSame(await values({}), first, "one token is corrupted");
  t.notSame(await values({ tokenizer, batchSize: 10 }), first);
  const report = await selectBuffer(
    input(microDataset("text", 40), { trainer: train, behaviour, tokenizer, modality: "report" }),
  );
  t.match(report, { kind: "text", clusters: 1, perCluster: 2 });
});

t.test("progress is told and a signal stops the work", async (t) => {
  const seen: string[] = [];
  await selectBuffer(
    input(images(250), {
      onProgress: ({ phase, done, total }) => seen.push(`${phase} ${done}/${total}`),
    }),
  );
  t.equal(seen[0], "features 32/250");
  t.ok(seen.includes("features 250/250"));
  t.equal(seen.at(-1), "selection 10/10");
  const stopped = (at: string) => {
    const controller = new AbortController();
    const onProgress: SelectBufferInput["onProgress"] = ({ phase }) => {
      if (phase === at) controller.abort();
    };
    return selectBuffer(input(images(250), { onProgress, signal: controller.signal }));
  };
  await t.rejects(stopped("features"), { code: "E_ABORTED", exitCode: 130 });
  await t.rejects(stopped("selection"), { code: "E_ABORTED", message: /the buffer of xray/ });
});

t.test("a sample whose feature is not finite is left out", async (t) => {
  const broken = {
    features: async () =>
      Float32Array.from({ length: 32 * 24 }, (_, i) => (i === 50 ? Number.NaN : i % 7)),
  };
  const options = { ...input(images(64)).options, share: 1 };
  const { samples } = await selectBuffer(input(images(64), { trainer: broken, options }));
  t.same(
    samples.map(({ record }) => record - 1000).sort((a, b) => a - b),
    Array.from({ length: 64 }, (_, i) => i).filter((i) => i % 32 !== 2),
  );
  const none = { features: async () => new Float32Array(32 * 24).fill(Number.NaN) };
  await t.rejects(selectBuffer(input(images(64), { trainer: none })), { code: "E_FEATURES" });
});
