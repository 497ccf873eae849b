import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import t from "tap";
import { findBinaries } from "../../lib/native/folder.js";
import { loadBinding } from "../../lib/native/load.js";
import { Trainer } from "../../lib/trainer.js";
import { key, microOptions, plain, textBatch } from "../helpers/trainer.js";

// Plain JavaScript: the worker needs no TypeScript loader, and LibTorch is in the process already.
const code = `
const { parentPort, workerData } = require("node:worker_threads");
const { Trainer } = require(workerData.addon);
const trainer = new Trainer(workerData.options);
async function main() {
  const losses = [];
  for (let step = 0; step < 3; step++) {
    const result = await trainer.trainStep(workerData.batch, { stage: 0, step }, workerData.step);
    losses.push(result.loss);
  }
  parentPort.postMessage(losses);
  if (workerData.leaveBusy) {
    for (let step = 3; step < 100; step++) {
      trainer.trainStep(workerData.batch, { stage: 0, step }, workerData.step);
    }
  } else {
    await trainer.close();
  }
}
main();
`;

function start(leaveBusy: boolean): Worker {
  loadBinding();
  const addon = join(findBinaries(), "medcoss.node");
  const data = { addon, options: microOptions(), batch: textBatch(), step: plain, leaveBusy };
  return new Worker(code, { eval: true, workerData: data, execArgv: [] });
}

async function lossesHere(): Promise<number[]> {
  await using trainer = await Trainer.create(microOptions());
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    losses.push((await trainer.trainStep(textBatch(), key(step), plain)).loss);
  }
  return losses;
}

t.test("a worker thread trains like the main thread, beside it", async (t) => {
  const worker = start(false);
  const ended = once(worker, "exit");
  const [[losses], here] = await Promise.all([once(worker, "message"), lossesHere()]);
  t.same(losses, here);
  const [exit] = await ended;
  t.equal(exit, 0, "and ends by itself once its trainer is closed");
});

t.test("a worker may be ended while its trainer works", async (t) => {
  const worker = start(true);
  await once(worker, "message");
  await worker.terminate();
  t.same(await lossesHere(), await lossesHere(), "the main thread is unharmed");
});
