/**
 * JavaScript threads and processes that end in the middle of the addon's work.
 *
 * Invariant: what runs is waited for, what waits is dropped, and nobody else notices.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import t from "tap";
import { findBinaries } from "../../lib/native/folder.js";
import { findLibtorch } from "../../lib/native/libtorch.js";
import { loadBinding } from "../../lib/native/load.js";
import { Trainer } from "../../lib/trainer.js";
import { key, microOptions, plain, textBatch } from "../helpers/trainer.js";

const WORKERS = 24;
const AT_ONCE = 3;

t.setTimeout(180_000);

/**
 * Keeps the addon busy on all its threads. Plain JavaScript, as it runs where no TypeScript loader is; `given` and
 * `addon` are in scope.
 */
const busy = `
const { Trainer, kmeans, resample, cropResize } = addon;
const { options, batch, step } = given;
const data = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i));
const into = new Float32Array(new SharedArrayBuffer(4 * 32 * 32 * 3));
const picture = { pixels: new Uint8Array(48), shape: [1, 4, 4, 3], size: 32, into };
const cut = { ...picture, crops: Float32Array.of(0, 0, 4, 4), flips: new Uint8Array(1) };
const clusters = { data, samples: 1000, dimensions: 4, clusters: 50, seed: 1, restarts: 3 };
const volume = { voxels: new Int16Array(64), shape: [4, 4, 4], size: [32, 32, 32] };
const grid = { scale: [0.1, 0.1, 0.1], shift: [0, 0, 0] };
const trainers = [0, 1, 2].map((seed) => new Trainer({ ...options, seed }));
for (let i = 0; i < 50; i++) {
  for (const trainer of trainers) trainer.trainStep(batch, { stage: 0, step: i }, step).catch(() => {});
  cropResize(cut);
  resample({ ...volume, ...grid });
  if (i % 10 === 0) kmeans({ ...clusters, maxIterations: 20, tolerance: 0 });
}
trainers[0].close();
trainers.length = 2;
new Trainer(options);
`;

const given = { options: microOptions(), batch: textBatch(), step: plain };
const addon = () => join(findBinaries(), "medcoss.node");
const threads = () => readdirSync("/proc/self/task").length;

/** A worker that is busy and then runs `last`. */
function start(last: string): Worker {
  const opening = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { given } = workerData;
    const addon = require(workerData.addon);`;
  const code = `${opening}${busy}parentPort.postMessage("busy");${last}`;
  return new Worker(code, { eval: true, execArgv: [], workerData: { addon: addon(), given } });
}

async function lossHere(): Promise<number> {
  await using trainer = await Trainer.create(microOptions());
  return (await trainer.trainStep(textBatch(), key(0), plain)).loss;
}

t.test(`${WORKERS} workers are ended while they are busy`, async (t) => {
  loadBinding();
  const expected = await lossHere();
  const before = threads();
  const run = async (i: number) => {
    const worker = start("setInterval(() => {}, 1000);");
    await once(worker, "message");
    await sleep((i * 7) % 40);
    t.equal(await worker.terminate(), 1);
  };
  for (let i = 0; i < WORKERS; i += AT_ONCE) {
    const rest = Math.min(AT_ONCE, WORKERS - i);
    await Promise.all(Array.from({ length: rest }, (_, k) => run(i + k)));
    t.equal(await lossHere(), expected, "the main thread goes on");
  }
  t.ok(threads() <= before + 8, `${threads()} threads, ${before} before`);
});

t.test("a worker ends itself while it is busy", async (t) => {
  loadBinding();
  const exits = ["process.exit(3);", "setTimeout(() => process.exit(3), 20);"];
  for (const last of exits) {
    const [code] = await once(start(last), "exit");
    t.equal(code, 3);
  }
  const failing = start("setTimeout(() => { throw new Error('boom'); }, 5);");
  const [error] = await once(failing, "error");
  t.equal(error.message, "boom");
});

t.test("a worker that is done ends by itself once its calls are", async (t) => {
  loadBinding();
  const [code] = await once(start(""), "exit");
  t.equal(code, 0);
});

/** JavaScript that brings the addon into a process that has nothing of ours. */
function opening(): string {
  const libraries = ["libc10.so", "libtorch_cpu.so"].map((name) =>
    join(findLibtorch().path, "lib", name),
  );
  return `
    require(${JSON.stringify(join(findBinaries(), "medcoss_loader.node"))}).preload(${JSON.stringify(libraries)});
    const addon = require(${JSON.stringify(addon())});
    const words = { kind: "text", ids: Int32Array.of(5, 6, 7), lengths: Int32Array.of(3), labels: Int32Array.of(-100, 6, -100) };
    const given = { options: ${JSON.stringify(microOptions())}, batch: words, step: ${JSON.stringify(plain)} };`;
}

/** Exit code, signal and errors of a process that runs `code`. */
async function end(code: string): Promise<unknown[]> {
  const child = execFile(process.execPath, ["-e", code]);
  let stderr = "";
  child.stderr?.on("data", (text: string) => {
    stderr += text;
  });
  return [...(await once(child, "close")), stderr];
}

t.test("a process ends while it is busy", async (t) => {
  for (const last of ["process.exit(7);", "setTimeout(() => process.exit(7), 30);"]) {
    t.same(await end(`${opening()}${busy}${last}`), [7, null, ""], last);
  }
});

t.test("a process ends whose workers alone had the addon", async (t) => {
  const worker = (code: string) =>
    `new (require("node:worker_threads").Worker)(${JSON.stringify(code)}, { eval: true })`;
  for (const last of ["addon.buildInfo();", "process.exit();", `${busy}process.exit();`]) {
    t.same(await end(worker(`${opening()}${last}`)), [0, null, ""], last.slice(-20));
  }
  const main = 'require("node:timers").setTimeout(() => process.exit(7), 1500);';
  t.same(await end(`${worker(`${opening()}${busy}`)};${main}`), [7, null, ""], "busy");
});

t.test("calls and closing out of what a call brought", async (t) => {
  const { Trainer: Native } = loadBinding();
  const trainer = new Native(microOptions());
  const results = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const { loss } = await trainer.trainStep(textBatch(), key(i), plain);
      if (i === 5) trainer.close();
      await trainer.evaluate(textBatch(), key(i)).catch((error) => t.equal(error.code, "E_CLOSED"));
      return loss;
    }),
  );
  t.ok(results.every(Number.isFinite), "steps that were asked for before are made");
  await trainer.close();
});
