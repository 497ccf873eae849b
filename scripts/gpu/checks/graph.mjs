/** Steps that start as one recorded graph give the losses of the same steps started operation by operation. */
import { models } from "../../../lib/config/models.js";
import { Trainer } from "../../../lib/trainer.js";
import { exampleBatch, kinds } from "../batches.mjs";
import { device, Part, relative } from "../part.mjs";

const STEPS = 12;
const SAMPLES = 8;
/** Operations whose order of summation is free differ from run to run by this much. */
const LIMITS = { fp32: 1e-5, bf16: 1e-3 };

const part = new Part("graph");

/**
 * @param {boolean} graphs @param {import("../batches.mjs").Kind} kind
 * @param {"plain" | "replay"} objective @param {"fp32" | "bf16"} precision
 */
async function run(graphs, kind, objective, precision) {
  const trainer = await Trainer.create({
    ...{ size: models.tiny(), device, precision, seed: 3, graphs },
    ...(objective === "replay" && { teacher: { kind: "start" } }),
  });
  const batches = [0, 1, 2].map((seed) => exampleBatch(kind, SAMPLES, seed));
  const found = [];
  for (let step = 0; step < STEPS; step++) {
    const batch = /** @type {import("../../../lib/batch.js").Batch} */ (batches[step % 3]);
    const options = { learningRate: 2e-4, objective };
    const { loss, gradientNorm } = await trainer.trainStep(batch, { stage: 0, step }, options);
    found.push(loss, gradientNorm);
  }
  await trainer.close();
  return found;
}

for (const precision of /** @type {const} */ (["fp32", "bf16"])) {
  for (const kind of kinds) {
    for (const objective of /** @type {const} */ (["plain", "replay"])) {
      const what = `${kind} ${objective} ${precision}`;
      await part.attempt(what, async () => {
        const graph = await run(true, kind, objective, precision);
        const eager = await run(false, kind, objective, precision);
        const worst = Math.max(...graph.map((value, i) => relative(value, eager[i] ?? Number.NaN)));
        const equal = worst === 0 ? "bit for bit" : `worst ${worst.toExponential(1)}`;
        part.claim(worst <= LIMITS[precision], `${what}: graph as eager`, equal);
      });
    }
  }
}
