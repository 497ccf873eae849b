/**
 * The same 50 steps on the CPU and on the device, from the same seed, so with the same masks, crops and dropped
 * branches. Plain steps of each kind, then replay steps.
 */
import { models } from "../../../lib/config/models.js";
import { Trainer } from "../../../lib/trainer.js";
import { exampleBatch, kinds } from "../batches.mjs";
import { device, Part, relative } from "../part.mjs";

const STEPS = 50;
const SAMPLES = 8;
/** Rounding differs from the first step on and grows with training. */
const FIRST_LIMIT = 1e-4;
const LAST_LIMIT = 2e-2;

const part = new Part("losses");

/** @param {string} where @param {import("../batches.mjs").Kind} kind @param {"plain" | "replay"} objective */
async function run(where, kind, objective) {
  const trainer = await Trainer.create({
    size: models.tiny(),
    device: where,
    seed: 5,
    ...(objective === "replay" && { teacher: { kind: "start" } }),
  });
  try {
    const losses = [];
    const batches = [0, 1, 2, 3].map((seed) => exampleBatch(kind, SAMPLES, seed));
    for (let step = 0; step < STEPS; step++) {
      const batch = /** @type {import("../../../lib/batch.js").Batch} */ (batches[step % 4]);
      const options = { learningRate: 2e-4, objective };
      const { loss } = await trainer.trainStep(batch, { stage: 1, step }, options);
      losses.push(loss);
    }
    return losses;
  } finally {
    await trainer.close();
  }
}

for (const kind of kinds) {
  for (const objective of /** @type {const} */ (["plain", "replay"])) {
    const what = `${kind} ${objective}`;
    await part.attempt(what, async () => {
      const gpu = await run(device, kind, objective);
      const cpu = await run("cpu", kind, objective);
      const differences = gpu.map((loss, i) => relative(loss, cpu[i] ?? Number.NaN));
      const [first = Number.NaN] = differences;
      const worst = Math.max(...differences);
      const detail = `first step ${first.toExponential(1)}, worst ${worst.toExponential(1)}`;
      part.claim(first <= FIRST_LIMIT && worst <= LAST_LIMIT, `${what}: CPU's losses`, detail);
      for (const step of [0, 9, 24, 49]) {
        const [a = Number.NaN, b = Number.NaN] = [gpu[step], cpu[step]];
        part.row("losses", { case: what, step: step + 1, [device]: a, cpu: b });
      }
    });
  }
}
