import t from "tap";
import { buildInfo, configureThreads, formula, kmeans } from "../../lib/trainer.js";

/** Samples [N,d] around `blobs` points; the same for the same arguments. */
function blobs(name: string, samples: number, dimensions: number, count: number, spread = 3) {
  const noise = formula(`${name}.noise`, samples * dimensions, 1);
  const corner = formula(`${name}.corner`, count * dimensions, 1);
  return Float32Array.from(noise, (value, i) => {
    const blob = Math.floor(i / dimensions) % count;
    return value + spread * (corner[blob * dimensions + (i % dimensions)] as number);
  });
}

function squaredDistance(a: Float32Array, i: number, b: Float32Array, j: number, d: number) {
  let sum = 0;
  for (let f = 0; f < d; f++) sum += ((a[i * d + f] as number) - (b[j * d + f] as number)) ** 2;
  return sum;
}

/** The nearest centre of every sample in float64, with the second one's relative distance. */
function nearest(data: Float32Array, centres: Float32Array, d: number) {
  return Array.from({ length: data.length / d }, (_, i) => {
    let label = 0;
    let first = Number.POSITIVE_INFINITY;
    let second = first;
    for (let c = 0; c < centres.length / d; c++) {
      const distance = squaredDistance(data, i, centres, c, d);
      if (distance < first) [label, second, first] = [c, first, distance];
      else if (distance < second) second = distance;
    }
    return { label, distance: first, clear: second - first > 1e-5 * first };
  });
}

/** One plain Lloyd iteration; no cluster may be empty. */
function updated(data: Float32Array, centres: Float32Array, d: number): Float32Array {
  const sums = new Float64Array(centres.length);
  const counts = new Float64Array(centres.length / d);
  for (const [i, { label }] of nearest(data, centres, d).entries()) {
    counts[label] = (counts[label] as number) + 1;
    for (let f = 0; f < d; f++)
      sums[label * d + f] = (sums[label * d + f] as number) + (data[i * d + f] as number);
  }
  return Float32Array.from(sums, (sum, i) => sum / (counts[Math.floor(i / d)] as number));
}

const run = (
  data: Float32Array,
  dimensions: number,
  clusters: number,
  more: Partial<Parameters<typeof kmeans>[0]> = {},
) =>
  kmeans({
    ...{ data, samples: data.length / dimensions, dimensions, clusters },
    ...{ seed: 3, restarts: 1, maxIterations: 100, tolerance: 0, ...more },
  });

t.test("labels, centres and inertia are those of plain iterations in float64", async (t) => {
  // More centres than a panel holds, odd widths, and blocks that are not full.
  for (const [samples, d, k] of [
    [700, 17, 37],
    [520, 301, 5],
    [90, 1, 3],
  ] as const) {
    const data = blobs("plain", samples, d, 40, 1);
    const centres = data.slice(0, k * d);
    let expected: Float32Array = centres;
    for (let i = 1; i <= 6; i++) {
      expected = updated(data, expected, d);
      if (i % 3 !== 0) continue;
      const found = await run(data, d, k, { centres, maxIterations: i });
      const name = `${samples} samples of ${d}, ${k} centres, ${i} iterations`;
      const worst = Math.max(...found.centres.map((x, j) => Math.abs(x - (expected[j] as number))));
      t.ok(worst < 1e-5, `${name}: centres ${worst}`);
      const own = nearest(data, found.centres, d);
      const differing = own.filter(({ label, clear }, j) => clear && label !== found.labels[j]);
      t.equal(differing.length, 0, `${name}: labels`);
      const inertia = own.reduce((sum, { distance }) => sum + distance, 0);
      t.ok(Math.abs(found.inertia / inertia - 1) < 1e-6, `${name}: inertia`);
    }
  }
});

t.test("far from the origin labels are still exact", async (t) => {
  const d = 24;
  const data = blobs("far", 600, d, 20, 1).map((x) => x + 500);
  const { labels, centres } = await run(data, d, 20);
  const own = nearest(data, centres, d);
  t.equal(own.filter(({ label, clear }, i) => clear && label !== labels[i]).length, 0);
});

t.test("the result is the same whatever the number of threads", async (t) => {
  const { threads } = buildInfo();
  t.teardown(() => configureThreads(threads));
  const data = blobs("threads", 3000, 33, 60);
  configureThreads(1);
  const one = await run(data, 33, 60);
  configureThreads(2);
  t.same(await run(data, 33, 60), one);
  t.ok(one.iterations > 1);
});

t.test("the seed decides the start", async (t) => {
  const data = blobs("seeds", 900, 8, 200, 1);
  const first = await run(data, 8, 50, { maxIterations: 1 });
  t.same(await run(data, 8, 50, { maxIterations: 1 }), first);
  t.notSame(await run(data, 8, 50, { maxIterations: 1, seed: 4 }), first);
});

t.test("k-means++ finds separate blobs", async (t) => {
  const data = blobs("separate", 2000, 20, 100, 60);
  const { labels, inertia } = await run(data, 20, 100);
  const blobsOf = new Map<number, Set<number>>();
  labels.forEach((label, i) => {
    blobsOf.set(label, (blobsOf.get(label) ?? new Set()).add(i % 100));
  });
  t.equal(blobsOf.size, 100);
  t.ok([...blobsOf.values()].every(({ size }) => size === 1));
  t.ok(inertia < 2000 * 20 * 0.1, "uniform noise has a variance of a twelfth");
});

t.test("an empty cluster takes the sample farthest from its own centre", async (t) => {
  const data = Float32Array.of(0, 1, 2, 3, 100);
  const centres = Float32Array.of(1, -1000, 2.5);
  const { labels, centres: found } = await run(data, 1, 3, { centres });
  t.same([...labels], [0, 0, 2, 2, 1]);
  t.same([...found], [0.5, 100, 2.5]);
});

t.test("duplicates: as many clusters as there are different samples", async (t) => {
  const data = Float32Array.from({ length: 300 * 7 }, (_, i) => Math.floor(i / 7) % 4);
  const found = await run(data, 7, 6);
  t.equal(new Set(found.labels).size, 4);
  t.equal(found.inertia, 0);
  t.same(
    [...found.labels].slice(0, 4),
    [...found.labels].slice(4, 8),
    "equal samples have equal labels",
  );
  const same = await run(new Float32Array(50 * 3).fill(0.1), 3, 5);
  t.same([...same.labels], new Array(50).fill(0), "the lowest of equal centres");
  t.equal(same.inertia, 0);
});

t.test("every sample may be a cluster, more are refused", async (t) => {
  const data = blobs("own", 40, 5, 40);
  const { labels, inertia } = await run(data, 5, 40);
  t.equal(new Set(labels).size, 40);
  t.ok(inertia < 1e-9);
  await t.rejects(run(data, 5, 41), { code: "E_ARGUMENT" });
  await t.rejects(run(Float32Array.of(1, Number.NaN), 1, 1), { code: "E_ARGUMENT" });
});

t.test("the caller's samples are left as they are", async (t) => {
  const data = blobs("kept", 50, 4, 5);
  const before = data.slice();
  await run(data, 4, 5);
  t.same(data, before);
});
