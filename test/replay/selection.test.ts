import t from "tap";
import { budgetSamples } from "../../lib/config/buffer.js";
import type { FeatureTable } from "../../lib/replay/feature-table.js";
import {
  bufferSize,
  type Selection,
  type SelectionInput,
  selectionMethods,
} from "../../lib/replay/selection.js";
import { formula } from "../../lib/trainer.js";

function table(samples: number, width: number): FeatureTable {
  return { values: Float32Array.from(formula("features", samples * width, 3)), samples, width };
}

/** A selection without native clustering: labels are the sample's number modulo `used`. */
function select(
  method: keyof typeof selectionMethods,
  features: FeatureTable,
  changes: Partial<SelectionInput> & { used?: number } = {},
): Promise<Selection> {
  const { width, samples } = features;
  return selectionMethods[method]({
    features,
    size: { clusters: 3, perCluster: 4 },
    seed: 5,
    stage: 1,
    onProgress: () => {},
    cluster: async (_, clusters) => ({
      labels: Int32Array.from({ length: samples }, (_, i) => i % (changes.used ?? clusters)),
      centres: new Float32Array(clusters * width).fill(0.5),
    }),
    ...changes,
  });
}

const samplesOf = ({ selected }: Selection) => selected.map(({ sample }) => sample);

t.test("sizes follow the paper, and small corpora have a buffer too", async (t) => {
  const sizes: Array<[number, number, number]> = [
    [0, 0, 0],
    [1, 1, 1],
    [5, 1, 1],
    [59, 1, 2],
    [99, 1, 4],
    [100, 1, 5],
    [250, 2, 6],
    [59_000, 590, 5],
    [125_000, 1250, 5],
    [377_110, 3771, 5],
  ];
  for (const [samples, clusters, perCluster] of sizes) {
    t.same(bufferSize(samples), { clusters, perCluster }, `${samples}`);
  }
  for (let samples = 500; samples < 40_000; samples += 7) {
    if (bufferSize(samples).perCluster !== 5) t.fail(`${samples} samples`);
  }
  t.same(bufferSize(100, 0.29, 0.29), { clusters: 29, perCluster: 1 }, "0.29 x 100 is 29");
  t.same(bufferSize(1000, 0.001, 0.5), { clusters: 1, perCluster: 1 }, "the share is kept to");
  t.same(bufferSize(10, 1, 1), { clusters: 10, perCluster: 1 });
});

t.test("a budget counts samples or bytes of records", async (t) => {
  t.equal(budgetSamples(500, 10), 500);
  t.equal(budgetSamples("500 samples", 10), 500);
  t.equal(budgetSamples("2kB", 10), 200);
  t.equal(budgetSamples("2 KiB", 10), 204);
  t.equal(budgetSamples("0.5MB", 1000), 500);
  t.equal(budgetSamples("1TiB", 2 ** 30), 1024);
  for (const wrong of ["", "many", "5 apples", "-3MB", "9B", "0.2 samples", 0, 1.5, -1]) {
    t.throws(() => budgetSamples(wrong, 10), { code: "E_CONFIG", exitCode: 2 }, `${wrong}`);
  }
});

t.test("k-means keeps the nearest members of each cluster, nearest first", async (t) => {
  const features = table(40, 6);
  const { selected, centres } = await select("kmeans", features);
  t.equal(centres.length, 18);
  const distance = (sample: number) =>
    Math.hypot(
      ...Array.from({ length: 6 }, (_, i) => (features.values[sample * 6 + i] ?? 0) - 0.5),
    );
  for (const cluster of [0, 1, 2]) {
    const members = Array.from({ length: 40 }, (_, i) => i).filter((i) => i % 3 === cluster);
    const wanted = members.sort((a, b) => distance(a) - distance(b)).slice(0, 4);
    const found = selected.filter((each) => each.cluster === cluster);
    t.same(
      found.map(({ sample }) => sample),
      wanted,
    );
    for (const each of found) t.ok(Math.abs(each.distance - distance(each.sample)) < 1e-6);
  }
});

t.test("a small or empty cluster gives what it has", async (t) => {
  const features = table(7, 4);
  const { selected } = await select("kmeans", features, { used: 2 });
  const sizes = [0, 1, 2].map((c) => selected.filter(({ cluster }) => cluster === c).length);
  t.same(sizes, [4, 3, 0]);
});

t.test("random selection is a draw without repetition that follows the seed", async (t) => {
  const features = table(50, 4);
  const first = await select("random", features);
  t.equal(new Set(samplesOf(first)).size, 12);
  t.same(samplesOf(await select("random", features)), samplesOf(first));
  t.notSame(samplesOf(await select("random", features, { seed: 6 })), samplesOf(first));
  t.notSame(samplesOf(await select("random", features, { stage: 2 })), samplesOf(first));
  t.equal(first.centres.length, 4);
  const size = { clusters: 3, perCluster: 4 };
  t.equal((await select("random", table(5, 4), { size })).selected.length, 5);
});

/** Each pick by trying all. */
function naiveHerding({ values, samples, width }: FeatureTable, count: number): number[] {
  const row = (i: number) => Array.from(values.subarray(i * width, (i + 1) * width));
  const rows = Array.from({ length: samples }, (_, i) => row(i));
  const mean = (list: number[][]) =>
    Array.from(
      { length: width },
      (_, j) => list.reduce((s, r) => s + (r[j] ?? 0), 0) / list.length,
    );
  const target = mean(rows);
  const order: number[] = [];
  while (order.length < count) {
    const gap = (i: number) => {
      const chosen = mean([...order, i].map((n) => rows[n] as number[]));
      return Math.hypot(...chosen.map((value, j) => value - (target[j] as number)));
    };
    const free = rows.map((_, i) => i).filter((i) => !order.includes(i));
    order.push(free.reduce((best, i) => (gap(i) < gap(best) ? i : best)));
  }
  return order;
}

t.test("herding keeps the mean of the choice at the mean of all", async (t) => {
  const features = table(60, 7);
  t.same(samplesOf(await select("herding", features)), naiveHerding(features, 12));
  const all = { clusters: 1, perCluster: 100 };
  t.equal(new Set(samplesOf(await select("herding", features, { size: all }))).size, 60);
});

t.test("herding of thousands of samples leaves the event loop its turns", async (t) => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const steps: number[] = [];
  const onProgress = (done: number) => steps.push(done);
  const size = { clusters: 50, perCluster: 5 };
  const { selected } = await select("herding", table(5000, 192), { size, onProgress });
  clearInterval(timer);
  t.equal(selected.length, 250);
  t.ok(turns >= steps.length - 1 && steps.length > 0);
  const stop = () => {
    throw new Error("enough");
  };
  const stopped = select("herding", table(5000, 192), { size, onProgress: stop });
  await t.rejects(stopped, { message: "enough" });
});
