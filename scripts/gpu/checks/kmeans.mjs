/** K-means on the device against the CPU's: labels, centres, inertia, the seeds of k-means++, samples that are streamed. */
import { formula, kmeans } from "../../../lib/trainer.js";
import { device, Part } from "../part.mjs";

/** @typedef {import("../../../lib/native/types.js").KmeansOptions} Options */

/** Under compute-sanitizer, whose findings are not those of this part, only small cases run: each is 50 times as slow. */
const watched = process.argv[2];
const part = new Part(watched ?? "kmeans");
/** Where the two nearest centres differ by less, relative to the distance, either label is right. */
const CLEAR = 1e-5;

/** Samples [N,d] around `count` points. @param {number} samples @param {number} d @param {number} count @param {number} spread */
function blobs(samples, d, count, spread) {
  const noise = formula("gpu.kmeans.noise", samples * d, 1);
  const corner = formula("gpu.kmeans.corner", count * d, 1);
  return Float32Array.from(noise, (value, i) => {
    const blob = Math.floor(i / d) % count;
    return value + spread * /** @type {number} */ (corner[blob * d + (i % d)]);
  });
}

/** @param {Float32Array} data @param {number} row @param {Float32Array} centres @param {number} centre @param {number} d */
function squaredDistance(data, row, centres, centre, d) {
  let sum = 0;
  for (let i = 0; i < d; i++) {
    const x = /** @type {number} */ (data[row * d + i]);
    sum += (x - /** @type {number} */ (centres[centre * d + i])) ** 2;
  }
  return sum;
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b largest difference, relative to the largest of `b` */
function furthest(a, b) {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const value = /** @type {number} */ (b[i]);
    difference = Math.max(difference, Math.abs(/** @type {number} */ (a[i]) - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / (largest || 1);
}

/** @param {string} what @param {Options} options */
async function compare(what, options) {
  await part.attempt(what, async () => {
    const gpu = await kmeans({ ...options, device });
    const cpu = await kmeans({ ...options, device: "cpu", deviceMemory: undefined });
    const { data, dimensions: d } = options;
    let differing = 0;
    let wrong = 0;
    gpu.labels.forEach((label, i) => {
      const other = /** @type {number} */ (cpu.labels[i]);
      if (label === other) return;
      differing++;
      const near = squaredDistance(data, i, gpu.centres, label, d);
      const rival = squaredDistance(data, i, gpu.centres, other, d);
      if (near > rival * (1 + CLEAR)) wrong++;
    });
    const centres = furthest(gpu.centres, cpu.centres);
    const inertia = Math.abs(gpu.inertia - cpu.inertia) / (cpu.inertia || 1);
    const detail = `${differing} labels differ, ${wrong} of them wrong, centres ${centres.toExponential(1)}, inertia ${inertia.toExponential(1)}, ${gpu.iterations} iterations for ${cpu.iterations}`;
    const same = gpu.iterations === cpu.iterations && centres < 1e-5 && inertia < 1e-6;
    part.claim(wrong === 0 && differing <= gpu.labels.length * 1e-3 && same, what, detail);
  });
}

const rules = { seed: 3, restarts: 1, maxIterations: 5, tolerance: 0 };

/** Samples, dimensions, centres, and how far apart the blobs are. @type {Array<[number, number, number, number]>} */
const small = [
  [300, 17, 37, 1],
  [257, 70, 129, 1],
  [40, 1, 3, 1],
  [600, 200, 300, 1],
];
/** @type {typeof small} */
const large = [
  [5000, 96, 300, 3],
  [30000, 768, 513, 1],
  [30000, 100, 3000, 1],
];
for (const [samples, d, k, spread] of watched ? small : [...small, ...large]) {
  const data = blobs(samples, d, Math.ceil(k * 1.1), spread);
  const shape = { data, samples, dimensions: d, clusters: k };
  const name = `${samples} x ${d}, ${k} centres`;
  await compare(`${name}, given`, { ...rules, ...shape, centres: data.slice(0, k * d) });
}
const [samples, dimensions, clusters] = watched ? [900, 12, 50] : [20000, 64, 400];
const seeded = { data: blobs(samples, dimensions, clusters, 2), samples, dimensions, clusters };
await compare("k-means++", { ...rules, ...seeded, maxIterations: 2 });
await compare("k-means++, streamed", {
  ...rules,
  ...seeded,
  maxIterations: 2,
  deviceMemory: watched ? 1 : 2 ** 23,
});
await compare("restarts and tolerance", {
  ...rules,
  ...seeded,
  restarts: 3,
  maxIterations: 50,
  tolerance: 1e-3,
});

const line = { data: Float32Array.of(0, 1, 2, 3, 100), samples: 5, dimensions: 1, clusters: 3 };
await compare("an empty cluster", { ...rules, ...line, centres: Float32Array.of(1, -1000, 2.5) });
const points = Float32Array.from({ length: 3000 * 7 }, (_, i) => Math.floor(i / 7) % 4);
await compare("duplicates", { ...rules, data: points, samples: 3000, dimensions: 7, clusters: 6 });
const far = blobs(6000, 24, 50, 1).map((x) => x + 500);
await compare("far from the origin", {
  ...rules,
  data: far,
  samples: 6000,
  dimensions: 24,
  clusters: 50,
});

await part.attempt("the same run twice", async () => {
  const options = { ...rules, ...seeded, device };
  const [first, second] = [await kmeans(options), await kmeans(options)];
  const equal = furthest(first.centres, second.centres) === 0 && first.inertia === second.inertia;
  part.claim(equal, "a run repeats to the bit");
});
