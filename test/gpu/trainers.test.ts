import { join } from "node:path";
import t from "tap";
import type { NativeTrainer } from "../../lib/native/types.js";
import { deviation, openGpu, trainerOn } from "../helpers/gpu.js";
import { key, microBatches, textBatch } from "../helpers/trainer.js";

const gpu = await openGpu();
t.setTimeout(300_000);

const plain = { learningRate: 1e-3, objective: "plain" as const };

async function losses(trainer: NativeTrainer, from: number, to: number): Promise<number[]> {
  const batches = microBatches();
  const found: number[] = [];
  for (let step = from; step < to; step++) {
    for (const batch of batches)
      found.push((await trainer.trainStep(batch, key(step), plain)).loss);
  }
  return found;
}

t.test("two trainers at once do not disturb each other", gpu, async (t) => {
  await using alone = await trainerOn("cuda", { seed: 1 });
  const expected = await losses(alone, 0, 6);
  await using first = await trainerOn("cuda", { seed: 1 });
  await using second = await trainerOn("cuda", { seed: 2 });
  const [a, b] = await Promise.all([losses(first, 0, 6), losses(second, 0, 6)]);
  t.ok(deviation(expected, a) < 1e-4, `${deviation(expected, a)}`);
  t.ok(b.every(Number.isFinite));
  t.notSame(a, b);
});

t.test("checkpoints go from device to device", gpu, async (t) => {
  const folder = t.testdir({ cuda: {}, cpu: {} });
  await using trainer = await trainerOn("cuda");
  await losses(trainer, 0, 3);
  await trainer.save(join(folder, "cuda"));
  await using cpu = await trainerOn("cpu", { stage: 9 });
  await cpu.load(join(folder, "cuda"));
  await cpu.save(join(folder, "cpu"));
  await using back = await trainerOn("cuda", { stage: 10 });
  // Graphs that were recorded before a checkpoint is loaded do not go on with the old moments.
  await losses(back, 0, 3);
  await back.load(join(folder, "cpu"));
  t.same(await back.parameterNorms(), await trainer.parameterNorms());
  for (const batch of microBatches()) {
    const [a, b] = [await trainer.evaluate(batch, key(0)), await cpu.evaluate(batch, key(0))];
    t.ok(deviation([a.loss], [b.loss]) < 1e-4, batch.kind);
  }
  const options = { ...plain, learningRate: 1e-2 };
  for (const one of [trainer, cpu, back]) await one.trainStep(textBatch(), key(3), options);
  const norms = async (one: NativeTrainer) => Object.values(await one.parameterNorms());
  const expected = await norms(trainer);
  t.ok(deviation(expected, await norms(back)) < 1e-5, "moments came back");
  t.ok(deviation(expected, await norms(cpu)) < 1e-4, "moments went to the CPU");
});

t.test("features, reconstructions and probes are those of the CPU", gpu, async (t) => {
  await using cuda = await trainerOn("cuda");
  await using cpu = await trainerOn("cpu");
  const near = (a: Float32Array, b: Float32Array) =>
    a.length === b.length && a.every((x, i) => Math.abs(x - (b[i] as number)) < 1e-4);
  for (const batch of microBatches()) {
    const [a, b] = [await cuda.features(batch, key(0)), await cpu.features(batch, key(0))];
    t.ok(near(a, b), `features of ${batch.kind}`);
    const [c, d] = [await cuda.reconstruct(batch, key(0)), await cpu.reconstruct(batch, key(0))];
    t.same(c.mask, d.mask, `mask of ${batch.kind}`);
    t.ok(near(c.original, d.original) && near(c.prediction, d.prediction), batch.kind);
    const options = { objective: "plain" as const, predictedRows: 2 };
    const [e, f] = [
      await cuda.probe(batch, key(0), options),
      await cpu.probe(batch, key(0), options),
    ];
    t.ok(deviation([e.loss], [f.loss]) < 1e-5, `loss of ${batch.kind}`);
    t.ok(near(e.encoded, f.encoded) && near(e.predicted, f.predicted), `probe of ${batch.kind}`);
    t.same(Object.keys(e.gradients), Object.keys(f.gradients));
  }
});
