import t from "tap";
import { openGpu, trainerOn } from "../helpers/gpu.js";
import { imageBatch, key } from "../helpers/trainer.js";

// Three hundredths of the device, so that a batch can be larger than that.
process.env.PYTORCH_ALLOC_CONF = "per_process_memory_fraction:0.03";
process.env.MEDCOSS_SIMULATED_BYTES = String(50e6);
const gpu = await openGpu();
t.setTimeout(300_000);

const plain = { learningRate: 1e-3, objective: "plain" as const };
const EDGE = 64;

/** Float pixels, so that nothing but the length is large. */
function batchOf(samples: number) {
  const shape: [number, number, number, number] = [samples, EDGE, EDGE, 3];
  return { kind: "image2d" as const, pixels: new Float32Array(samples * EDGE * EDGE * 3), shape };
}

t.test("a batch that is too large fails alone", gpu, async (t) => {
  const tooLarge = batchOf(gpu.simulated ? 2_000 : 100_000);
  await using trainer = await trainerOn("cuda");
  await using other = await trainerOn("cuda", { seed: 8 });
  const steps = async (from: number) => {
    const results = [];
    for (const [i, one] of [trainer, other, trainer, other, trainer, other].entries())
      results.push((await one.trainStep(imageBatch(), key(from + i), plain)).skipped);
    return results;
  };
  t.notOk((await steps(0)).includes(true));
  const before = await trainer.parameterNorms();
  const expected = { code: "E_OUT_OF_MEMORY", values: { device: "cuda" } };
  await t.rejects(trainer.trainStep(tooLarge, key(6), plain), expected);
  await t.rejects(trainer.evaluate(tooLarge, key(6)), expected);
  await t.rejects(trainer.features(tooLarge, key(6)), expected);
  t.same(await trainer.parameterNorms(), before, "weights are as they were");
  t.notOk((await steps(7)).includes(true), "both trainers go on");
});
