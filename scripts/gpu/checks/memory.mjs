/** Out of GPU memory is an error of one call: the trainer, its neighbours and the process live on. */
import { models } from "../../../lib/config/models.js";
import { Trainer } from "../../../lib/trainer.js";
import { exampleBatch } from "../batches.mjs";
import { device, Part } from "../part.mjs";

const part = new Part("memory");
const options = /** @type {const} */ ({ learningRate: 1e-4, objective: "plain" });
const key = { stage: 0, step: 0 };
/** More than any GPU's memory, of which the batch itself is a small share. */
const SAMPLES = 6000;

/** @param {Trainer} trainer @param {number} step */
const smallStep = (trainer, step) =>
  trainer.trainStep(exampleBatch("image2d", 2), { stage: 0, step }, options);

await part.attempt("recovery", async () => {
  if (device === "cpu") return part.skip("recovery", "memory of the CPU is not filled");
  const large = await Trainer.create({ size: models.large(), device });
  const neighbour = await Trainer.create({ size: models.tiny(), device });
  const before = await smallStep(neighbour, 0);
  part.claim(Number.isFinite(before.loss), "a neighbour trains");
  const failure = await large.trainStep(exampleBatch("image2d", SAMPLES), key, options).then(
    () => undefined,
    (error) => /** @type {Error & { code?: string }} */ (error),
  );
  part.claim(failure?.code === "E_OUT_OF_MEMORY", "too large a batch", failure?.message ?? "fits");
  const same = await smallStep(large, 1);
  part.claim(Number.isFinite(same.loss), "the same trainer goes on with a smaller batch");
  const after = await smallStep(neighbour, 1);
  part.claim(Number.isFinite(after.loss), "its neighbour goes on");
  await large.close();
  const fresh = await Trainer.create({ size: models.large(), device });
  part.claim(Number.isFinite((await smallStep(fresh, 0)).loss), "a new trainer takes its place");
  await Promise.all([fresh.close(), neighbour.close()]);
});
