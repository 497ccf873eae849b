/**
 * Time of k-means at the size of the largest published modality, beside PyTorch's, flash-kmeans' and scikit-learn's, and
 * what each kernel takes of it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { peerScript } from "../../../benchmarks/harness/place.js";
import { median } from "../../../benchmarks/harness/statistics.js";
import { kmeans } from "../../../lib/trainer.js";
import { byKernel, findNcu, kernelTimes } from "../kernels.mjs";
import { device, Part } from "../part.mjs";

const [N, D, K] = device === "cpu" ? [4000, 64, 40] : [356_000, 768, 3560];
const FLOPS = 2 * N * D * K;
const LIMIT_MS = 20;
/** Each round is a run of one iteration and one of many; what they upload is equal, but its time is not. */
const ROUNDS = 5;
const MANY = 201;
/** Of a large product and a large copy on an H200. */
const FLOPS_PER_MS = 790e9;
const BYTES_PER_MS = 4.3e9;
/** The newest compute capability whose GPUs are no faster. */
const NEWEST = 9;
const python = process.env.MEDCOSS_BENCH_PYTHON ?? "python3";
const peer = peerScript("kmeans_gpu");

/** @param {string} path */
function read(path) {
  const { buffer, byteOffset } = readFileSync(path);
  const data = new Float32Array(buffer, byteOffset, N * D);
  const centres = new Float32Array(K * D);
  for (let c = 0; c < K; c++) {
    const row = Math.floor((c * N) / K);
    centres.set(data.subarray(row * D, (row + 1) * D), c * D);
  }
  return { data, centres };
}

/** @param {{ data: Float32Array, centres: Float32Array }} input @param {number} maxIterations */
async function timed({ data, centres }, maxIterations) {
  const start = performance.now();
  const found = await kmeans({
    ...{ device, data, centres, samples: N, dimensions: D, clusters: K },
    ...{ seed: 0, restarts: 1, maxIterations, tolerance: 0 },
  });
  return { ...found, ms: performance.now() - start };
}

/** Peers' results, one JSON object a line. @param {string[]} args @returns {Array<{ name: string, ms: number, inertia: number }>} */
function peers(...args) {
  const text = execFileSync(python, [peer, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
}

/** What a second iteration adds to the time of each kernel. @param {Part} part @param {string} path */
async function timeline(part, path) {
  const program = fileURLToPath(import.meta.url);
  const kernels = async (/** @type {number} */ iterations) => {
    const own = [process.execPath, program, "--once", path, String(iterations)];
    return byKernel(await kernelTimes(own));
  };
  const one = new Map((await kernels(1)).map((found) => [found.kernel, found]));
  const added = (await kernels(2))
    .map(({ kernel, calls, ms }) => {
      const { calls: before = 0, ms: earlier = 0 } = one.get(kernel) ?? {};
      return { kernel, calls: calls - before, ms: ms - earlier };
    })
    .filter(({ calls }) => calls > 0)
    .sort((a, b) => b.ms - a.ms);
  for (const { kernel, calls, ms } of added)
    part.row("kernels of an iteration", { kernel, calls, ms: ms.toFixed(3) });
  const total = added.reduce((sum, { ms }) => sum + ms, 0);
  part.row("medcoss", { what: "kernels of an iteration, ms", value: total.toFixed(2) });
}

/** The least time of each part, with a row each. @param {Part} part @returns {number} milliseconds of all */
function roofline(part) {
  const found = Math.ceil(K / 256) * N * 12;
  const centres = K * D * 4;
  let all = 0;
  for (const [what, flops, bytes] of /** @type {const} */ ([
    ["products and the two nearest (nearest_two)", FLOPS, N * D * 2 + centres + found],
    ["labels (decide)", 0, found + N * 20],
    [
      "sums of clusters (sum_pieces, add_pieces)",
      N * D,
      N * D * 4 + N * 8 + 2 * (N / 128 + K) * D * 8,
    ],
    ["means and centres as float16", 0, centres * 6],
  ])) {
    const least = Math.max(flops / FLOPS_PER_MS, bytes / BYTES_PER_MS);
    all += least;
    part.row("roofline of an iteration", {
      what,
      GFLOP: (flops / 1e9).toFixed(1),
      MB: (bytes / 1e6).toFixed(0),
      "ms, at least": least.toFixed(3),
    });
  }
  return all;
}

/** The GPU's compute capability; undefined where nothing tells it. */
function capability() {
  const query = ["--query-gpu=compute_cap", "--format=csv,noheader"];
  const { stdout } = spawnSync("nvidia-smi", query, { encoding: "utf8" });
  return stdout ? Number.parseFloat(stdout) : undefined;
}

/** A time below what the hardware can do is a measurement that failed. @param {Part} part @param {number} per @param {number} least */
function judgeFloor(part, per, least) {
  const what = "no iteration is faster than the hardware";
  const found = capability();
  if (found === undefined || found > NEWEST)
    part.skip(what, `the least time is that of compute capability ${NEWEST}.0`);
  else part.claim(per >= least, what, `${per.toFixed(2)} ms, at least ${least.toFixed(2)}`);
}

/** Milliseconds of an iteration: the median over rounds of what many take beyond one. @param {Part} part @param {ReturnType<typeof read>} input */
async function iterationTime(part, input) {
  const { inertia } = await timed(input, 1);
  const differences = [];
  const shorts = [];
  let iterations = 0;
  for (let round = 0; round < ROUNDS; round++) {
    // Whoever goes first changes from round to round.
    const order = /** @type {[number, number]} */ (round % 2 === 0 ? [1, MANY] : [MANY, 1]);
    const [first, second] = [await timed(input, order[0]), await timed(input, order[1])];
    differences.push((second.ms - first.ms) / (second.iterations - first.iterations));
    shorts.push(round % 2 === 0 ? first.ms : second.ms);
    iterations = Math.max(first.iterations, second.iterations);
  }
  differences.sort((a, b) => a - b);
  const spread = differences.map((ms) => ms.toFixed(2)).join(", ");
  part.row("medcoss", { what: `one of ${iterations} iterations in each round, ms`, value: spread });
  const upload = (median(shorts) / 1e3).toFixed(2);
  part.row("medcoss", { what: "one iteration with upload, s", value: upload });
  return { per: median(differences), inertia };
}

/** @param {Part} part @param {string} path */
async function measure(part, path) {
  const input = read(path);
  const least = roofline(part);
  const { per, inertia } = await iterationTime(part, input);
  const tflops = FLOPS / per / 1e9;
  part.claim(per <= LIMIT_MS, "an iteration", `${per.toFixed(2)} ms, ${tflops.toFixed(0)} TFLOP/s`);
  if (device !== "cpu") judgeFloor(part, per, least);
  /** @param {string} name @param {number} ms @param {number} inertia */
  const row = (name, ms, inertia) =>
    part.row(`k-means of ${N} x ${D}, ${K} centres`, {
      ...{ name, "ms an iteration": ms.toFixed(2), "TFLOP/s": (FLOPS / ms / 1e9).toFixed(0) },
      "inertia after 1": inertia.toPrecision(8),
    });
  row("medcoss", per, inertia);
  const start = performance.now();
  const fit = await kmeans({
    ...{ device, data: input.data, samples: N, dimensions: D, clusters: K },
    ...{ seed: 0, restarts: 1, maxIterations: 300, tolerance: 1e-4 },
  });
  const seconds = ((performance.now() - start) / 1e3).toFixed(2);
  part.row("medcoss", {
    what: `fit with k-means++, ${fit.iterations} iterations, s`,
    value: seconds,
  });
  if (findNcu()) await part.attempt("timeline", () => timeline(part, path));
  else part.skip("timeline", "there is no ncu");
  return { per, row, inertia };
}

async function main() {
  const part = new Part("kmeans-speed");
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "kmeans-"));
  const path = join(folder, "features.f32");
  const size = [N, D, K].map(String);
  try {
    await part.attempt("speed", async () => {
      peers("make", path, ...size);
      const { per, row, inertia } = await measure(part, path);
      for (const found of peers("time", path, ...size)) {
        row(found.name, found.ms, found.inertia);
        const least = found.name.startsWith("scikit-learn") ? 100 : 1;
        const detail = `${(found.ms / per).toFixed(2)} times, at least ${least}`;
        // Trying the check on a CPU says nothing about rates.
        if (device !== "cpu")
          part.claim(found.ms >= least * per, `rate beside ${found.name}`, detail);
        const better = `inertia ${inertia.toPrecision(7)} for ${found.inertia.toPrecision(7)}`;
        part.claim(inertia <= found.inertia * 1.0005, `no worse than ${found.name}`, better);
      }
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [, , once, path = "", iterations] = process.argv;
if (once === "--once") await timed(read(path), Number(iterations));
else await main();
