/**
 * What each kernel takes of a plain bf16 step of the base model, its operations started one by one. Kernels run alone
 * and from a cold cache, so their sum is more than a step takes.
 */
import { fileURLToPath } from "node:url";
import { models } from "../../../lib/config/models.js";
import { Trainer } from "../../../lib/trainer.js";
import { exampleBatch, kinds } from "../batches.mjs";
import { byKernel, findNcu, kernelTimes } from "../kernels.mjs";
import { batches, device, NO_TIME, Part, timeLeft } from "../part.mjs";

const SAMPLES = /** @type {number} */ (batches[0]);
const SHOWN = 40;
/** Seconds that a kind takes. */
const LONGEST = 28;
/** Of the first step, whose kernels are more. */
const SKIPPED = 600;
/** The kernel that ends a step. */
const LAST = "update_chunks";

/** Two steps; the first makes what later ones find. @param {import("../batches.mjs").Kind} kind */
async function run(kind) {
  const trainer = await Trainer.create({
    ...{ size: models.base(), device, precision: "bf16", seed: 3, graphs: false },
  });
  const batch = exampleBatch(kind, SAMPLES);
  for (const step of [0, 1]) {
    await trainer.trainStep(batch, { stage: 0, step }, { learningRate: 1e-4, objective: "plain" });
  }
  await trainer.close();
}

/** @param {Part} part @param {import("../batches.mjs").Kind} kind */
async function show(part, kind) {
  const own = [process.execPath, fileURLToPath(import.meta.url), "--once", kind];
  const launches = await kernelTimes(own, SKIPPED);
  const ends = launches.flatMap(({ kernel }, i) => (kernel.includes(LAST) ? [i] : []));
  const firstStep = ends.slice(0, ends.length / 2).at(-1) ?? 0;
  const rows = byKernel(launches.slice(firstStep + 1));
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  const calls = rows.reduce((sum, row) => sum + row.calls, 0);
  const table = `kernels of a ${kind} step, batch ${SAMPLES}`;
  for (const row of [{ kernel: "all", calls, ms: total }, ...rows.slice(0, SHOWN)]) {
    part.row(table, { kernel: row.kernel, calls: row.calls, ms: row.ms.toFixed(3) });
  }
  part.claim(total > 0, `${kind}: kernels are timed`, `${total.toFixed(1)} ms`);
}

if (process.argv[2] === "--once") {
  await run(/** @type {import("../batches.mjs").Kind} */ (process.argv[3]));
} else {
  const part = new Part("timeline");
  for (const kind of kinds) {
    if (device === "cpu" || !findNcu()) part.skip(kind, "there is no ncu");
    else if (timeLeft() < LONGEST) part.skip(kind, NO_TIME);
    else await part.attempt(kind, () => show(part, kind));
  }
}
