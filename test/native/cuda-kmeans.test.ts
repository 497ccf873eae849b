/**
 * K-means for a GPU on the host: the kernels, compiled by the C++ compiler and run thread by thread (simt/), under the driver of
 * the kernel library, against the CPU's.
 */
import { execFile, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { findLibtorch } from "../../lib/native/libtorch.js";
import type { KmeansOptions, KmeansResult } from "../../lib/native/types.js";
import { formula, kmeans } from "../../lib/trainer.js";
import { packageRoot } from "../../lib/version.js";

const root = packageRoot();
const libtorch = findLibtorch().path;
const kernels = ["decide", "nearest", "nearest_hopper", "prepare", "seeds", "sums"].map(
  (name) => `${name}.cu`,
);
const driver = ["assigner", "lloyd", "samples", "seeding"].map((name) => `${name}.cpp`);
const sources = [
  ...[...kernels, ...driver].map((name) => join(root, `native/ops/cuda/kmeans_${name}`)),
  join(root, "test/native/simt/simt.cpp"),
  join(root, "test/native/cuda/kmeans_host.cpp"),
];
const flags = [
  ...["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"],
  ...["-DAT_PER_OPERATOR_HEADERS", "-D_GLIBCXX_USE_CXX11_ABI=1"],
  ...[`-I${join(root, "test/native/cuda")}`, `-I${join(root, "test/native/simt")}`],
  `-I${join(root, "native")}`,
  ...["-isystem", join(libtorch, "include")],
];

const run = promisify(execFile);
const compiler = process.env.CXX ?? "c++";

async function build(folder: string): Promise<string> {
  const waiting = sources.map((source) => ({
    source,
    object: join(folder, `${basename(source)}.o`),
  }));
  const objects = waiting.map(({ object }) => object);
  const work = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      await run(compiler, [...flags, "-x", "c++", "-c", next.source, "-o", next.object]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  const program = join(folder, "kmeans");
  const library = join(libtorch, "lib");
  const names = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"].map((name) => join(library, name));
  const paths = [library, join(dirname(libtorch), "nvidia/cu13/lib")];
  const found = paths.map((path) => `-Wl,-rpath,${path}`);
  const lenient = "-Wl,--unresolved-symbols=ignore-in-shared-libs";
  await run(compiler, [...objects, ...names, ...found, lenient, "-o", program]);
  return program;
}

const bytes = (values: Float32Array | Float64Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** What the program at `path` finds; `deviceMemory` decides between one chunk and many. */
async function onGrid(
  path: string,
  options: KmeansOptions,
  hopper: boolean,
): Promise<KmeansResult> {
  const { data, samples, dimensions, clusters, centres, deviceMemory = 2 ** 40 } = options;
  const { seed, restarts, maxIterations, tolerance } = options;
  const child = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
  const parts: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  const numbers = [samples, dimensions, clusters, seed, restarts, maxIterations, tolerance];
  child.stdin.write(
    bytes(Float64Array.from([...numbers, centres ? 1 : 0, deviceMemory, hopper ? 1 : 0])),
  );
  child.stdin.write(bytes(data));
  child.stdin.end(centres ? bytes(centres) : undefined);
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`the program ended with code ${code}`);
  const { buffer } = new Uint8Array(Buffer.concat(parts));
  const [inertia = 0, iterations = 0] = new Float64Array(buffer, 0, 2);
  const labels = new Int32Array(buffer, 16, samples);
  const found = new Float32Array(buffer, 16 + 4 * samples, clusters * dimensions);
  return { labels, centres: found, inertia, iterations };
}

/** Samples [N,d] around `count` points. */
function blobs(samples: number, dimensions: number, count: number, spread: number): Float32Array {
  const noise = formula("grid.noise", samples * dimensions, 1);
  const corner = formula("grid.corner", count * dimensions, 1);
  return Float32Array.from(noise, (value, i) => {
    const blob = Math.floor(i / dimensions) % count;
    return value + spread * (corner[blob * dimensions + (i % dimensions)] as number);
  });
}

const rules = { seed: 3, restarts: 1, maxIterations: 6, tolerance: 0 };
let program: string;

// Eleven sources to compile, on a machine that may be busy.
t.setTimeout(900_000);

t.before(async () => {
  program = await build(t.testdir());
});

async function compare(
  t: Test,
  name: string,
  options: KmeansOptions,
  hopper = false,
): Promise<KmeansResult> {
  const [grid, cpu] = [await onGrid(program, options, hopper), await kmeans(options)];
  t.same(grid.labels, cpu.labels, `${name}: labels`);
  const size = Math.max(...cpu.centres.map(Math.abs));
  const worst = Math.max(...grid.centres.map((x, i) => Math.abs(x - (cpu.centres[i] as number))));
  t.ok(worst <= 1e-6 * size, `${name}: centres ${worst}`);
  t.ok(Math.abs(grid.inertia - cpu.inertia) <= 1e-9 * cpu.inertia, `${name}: inertia`);
  t.equal(grid.iterations, cpu.iterations, `${name}: iterations`);
  return grid;
}

t.test("given centres: tiles that are not full, in every direction", async (t) => {
  for (const [samples, dimensions, clusters] of [
    [300, 17, 37],
    [257, 70, 129],
    [40, 1, 3],
  ] as const) {
    const data = blobs(samples, dimensions, 40, 1);
    const centres = data.slice(0, clusters * dimensions);
    const options = { ...rules, data, samples, dimensions, clusters, centres };
    const name = `${samples} x ${dimensions}, ${clusters} centres`;
    await compare(t, name, options);
    await compare(t, `${name}, Hopper's kernel`, { ...options, maxIterations: 2 }, true);
  }
});

t.test(
  "Hopper's ring of tiles goes round: several depths, tiles of centres and pieces of work",
  async (t) => {
    const [samples, dimensions, clusters] = [600, 200, 300];
    const data = blobs(samples, dimensions, 310, 1);
    const centres = data.slice(0, clusters * dimensions);
    const options = { ...rules, data, samples, dimensions, clusters, centres, maxIterations: 1 };
    await compare(t, "ring", options, true);
  },
);

t.test("k-means++ draws and takes the CPU's candidates, also of streamed samples", async (t) => {
  const [samples, dimensions, clusters] = [900, 12, 50];
  const data = blobs(samples, dimensions, 60, 1);
  const options = { ...rules, data, samples, dimensions, clusters, maxIterations: 3 };
  const whole = await compare(t, "in one chunk", options);
  const streamed = await compare(t, "in chunks", { ...options, deviceMemory: 1 });
  t.same(streamed.labels, whole.labels);
  await compare(t, "best of two", { ...options, restarts: 2, tolerance: 1e-2 });
});

t.test("far from the origin, and of any size, labels are still exact", async (t) => {
  const [samples, dimensions, clusters] = [280, 24, 20];
  const shape = { samples, dimensions, clusters };
  const near = blobs(samples, dimensions, 20, 1);
  await compare(t, "far", { ...rules, ...shape, data: near.map((x) => x + 500) });
  await compare(t, "large", { ...rules, ...shape, data: near.map((x) => x * 2 ** 50) });
  await compare(t, "small", { ...rules, ...shape, data: near.map((x) => x * 2 ** -50) });
});

t.test("near ties are decided in float64", async (t) => {
  // Pairs of centres that differ by less than float16 can tell, in a cluster far from the others.
  const [samples, dimensions, clusters] = [260, 33, 8];
  const data = blobs(samples, dimensions, 4, 30);
  const shift = formula("grid.shift", dimensions, 1);
  const centres = Float32Array.from({ length: clusters * dimensions }, (_, i) => {
    const [centre, feature] = [Math.floor(i / dimensions), i % dimensions];
    const sample = data[(centre % 4) * dimensions + feature] as number;
    return sample + (centre < 4 ? 0 : 1e-3 * (shift[feature] as number));
  });
  const shape = { samples, dimensions, clusters, data, centres };
  await compare(t, "pairs", { ...rules, ...shape, maxIterations: 1 });
});

t.test("an empty cluster takes the sample farthest from its own centre", async (t) => {
  const data = Float32Array.of(0, 1, 2, 3, 100);
  const centres = Float32Array.of(1, -1000, 2.5);
  const shape = { samples: 5, dimensions: 1, clusters: 3 };
  const { labels } = await compare(t, "empty", { ...rules, ...shape, data, centres });
  t.same([...labels], [0, 0, 2, 2, 1]);
});

t.test("duplicates: the lowest of equal centres", async (t) => {
  const data = Float32Array.from({ length: 120 * 7 }, (_, i) => Math.floor(i / 7) % 4);
  const shape = { samples: 120, dimensions: 7, clusters: 6 };
  const found = await compare(t, "four points", { ...rules, ...shape, data });
  t.equal(new Set(found.labels).size, 4);
  const same = new Float32Array(50 * 3).fill(0.1);
  await compare(t, "one point", { ...rules, data: same, samples: 50, dimensions: 3, clusters: 5 });
});
