import t from "tap";
import type { Batch } from "../../lib/batch.js";
import { nativeBehaviour, presets } from "../../lib/config/presets.js";
import type { NativeStepResult, NativeTrainer } from "../../lib/native/types.js";
import { deviation, openGpu, trainerOn } from "../helpers/gpu.js";
import { imageBatch, key, microBatches, textBatch, volumeBatch } from "../helpers/trainer.js";

const gpu = await openGpu();
t.setTimeout(300_000);

const teacher = { kind: "start" as const };
const flips = Uint8Array.of(1, 0);
const kinds: Batch[] = [
  ...microBatches(),
  { ...imageBatch(2, 80), crops: Float32Array.of(0, 0, 80, 80, 5, 9, 40, 50), flips },
  { ...volumeBatch(), flips: Uint8Array.of(5, 2) },
];

/** Steps of every kind and both objectives, one after the other; `pipelined` asks for each before the last is done. */
async function run(trainer: NativeTrainer, steps: number, pipelined: boolean) {
  const results: Promise<NativeStepResult>[] = [];
  for (let step = 0; step < steps; step++) {
    const objective = step % 3 === 2 ? ("replay" as const) : ("plain" as const);
    // Changing pixels show whether a graph reads those of its own step.
    const batch = kinds[step % kinds.length] as Batch;
    const options = { learningRate: 1e-3 * (1 + (step % 4)), objective };
    results.push(trainer.trainStep(batch, key(step), options));
    if (!pipelined) await results.at(-1);
  }
  return Promise.all(results);
}

const losses = (results: NativeStepResult[]) => results.map(({ loss }) => loss);
const norms = (results: NativeStepResult[]) => results.map(({ gradientNorm }) => gradientNorm);

const behaviours = {
  corrected: presets.corrected(),
  published: presets.published(),
  causal: { ...presets.corrected(), attention: { text: "causal", textMask: "own" } },
} as const;

for (const [name, behaviour] of Object.entries(behaviours)) {
  t.test(`${name}: graphs, single operations and the CPU see the same steps`, gpu, async (t) => {
    const changes = { behaviour: nativeBehaviour(behaviour), teacher };
    await using graphs = await trainerOn("cuda", changes);
    await using single = await trainerOn("cuda", { ...changes, graphs: false });
    await using cpu = await trainerOn("cpu", changes);
    const [a, b, c] = [
      await run(graphs, 50, true),
      await run(single, 50, false),
      await run(cpu, 50, false),
    ];
    t.notOk(a.some(({ skipped }) => skipped));
    t.ok(deviation(losses(b), losses(a)) < 1e-4, `graphs: ${deviation(losses(b), losses(a))}`);
    t.ok(deviation(norms(b), norms(a)) < 1e-3, `norms: ${deviation(norms(b), norms(a))}`);
    t.ok(deviation(losses(c), losses(b)) < 1e-3, `CPU: ${deviation(losses(c), losses(b))}`);
    const [onGpu, onCpu] = [await graphs.parameterNorms(), await cpu.parameterNorms()];
    t.ok(deviation(Object.values(onCpu), Object.values(onGpu)) < 1e-3, "weights");
  });
}

/** Losses, norms of gradients and of weights under a limit of gradients. */
async function limited(device: string, graphs: boolean, maxGradientNorm?: number) {
  // An epsilon of the gradients' size, as AdamW barely sees their scale otherwise.
  const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-2, weightDecay: 0.05, maxGradientNorm };
  await using trainer = await trainerOn(device, { teacher, graphs, optimizer });
  const results = await run(trainer, 30, graphs);
  const weights = Object.values(await trainer.parameterNorms());
  return { losses: losses(results), norms: norms(results), weights };
}

t.test("gradients are scaled down as on the CPU", gpu, async (t) => {
  const graphs = await limited("cuda", true, 0.02);
  const single = await limited("cuda", false, 0.02);
  const cpu = await limited("cpu", false, 0.02);
  const free = await limited("cuda", true);
  const beyond = await limited("cuda", true, 1e4);
  for (const [what, near] of Object.entries({ losses: 1e-3, norms: 1e-2, weights: 1e-3 })) {
    const off = (a: typeof cpu, b: typeof cpu) => {
      const part = what as keyof typeof cpu;
      return deviation(a[part], b[part]);
    };
    t.ok(off(cpu, graphs) < near, `${what}, CPU: ${off(cpu, graphs)}`);
    t.ok(off(single, graphs) < near, `${what}, without graphs: ${off(single, graphs)}`);
    t.ok(off(free, beyond) < near, `${what}, never reached: ${off(free, beyond)}`);
    t.ok(off(free, graphs) > 0.1, `${what} change: ${off(free, graphs)}`);
  }
  t.ok(graphs.norms.some((norm) => norm > 0.1) && graphs.norms.some((norm) => norm < 0.02));
});

t.test("batches in parts are the whole ones", gpu, async (t) => {
  await using parts = await trainerOn("cuda", { teacher, accumulate: 2 });
  await using single = await trainerOn("cuda", { teacher, accumulate: 2, graphs: false });
  await using whole = await trainerOn("cpu", { teacher });
  const [a, b, c] = [
    await run(parts, 30, true),
    await run(single, 30, false),
    await run(whole, 30, false),
  ];
  t.ok(deviation(losses(b), losses(a)) < 1e-4, `graphs: ${deviation(losses(b), losses(a))}`);
  t.ok(deviation(losses(c), losses(a)) < 1e-3, `CPU: ${deviation(losses(c), losses(a))}`);
});

t.test("bf16 follows fp32, and its copies of weights follow the weights", gpu, async (t) => {
  const half = { teacher, precision: "bf16" as const };
  for (const name of ["corrected", "published"] as const) {
    const behaviour = nativeBehaviour(presets[name]());
    await using full = await trainerOn("cuda", { teacher, behaviour });
    await using graphs = await trainerOn("cuda", { ...half, behaviour });
    await using single = await trainerOn("cuda", { ...half, behaviour, graphs: false });
    const [a, b, c] = [
      await run(full, 20, true),
      await run(graphs, 20, true),
      await run(single, 20, false),
    ];
    t.ok(deviation(losses(a), losses(b)) < 5e-2, `${deviation(losses(a), losses(b))}`);
    t.ok(deviation(losses(c), losses(b)) < 1e-3, `graphs: ${deviation(losses(c), losses(b))}`);
    // An evaluation between makes copies of all weights; later steps are of graphs recorded before.
    for (let round = 0; round < 2; round++) {
      const evaluated = async (one: NativeTrainer) => {
        const found: number[] = [];
        for (const batch of kinds) found.push((await one.evaluate(batch, key(round))).loss);
        return found;
      };
      const [d, e] = [await evaluated(graphs), await evaluated(single)];
      t.ok(deviation(e, d) < 1e-3, `evaluated: ${deviation(e, d)}`);
      const [f, g] = [await run(graphs, 20, true), await run(single, 20, false)];
      t.ok(deviation(losses(g), losses(f)) < 1e-3, `${deviation(losses(g), losses(f))}`);
    }
  }
});

t.test("a step that is not finite changes nothing, as a graph too", gpu, async (t) => {
  await using trainer = await trainerOn("cuda");
  const plain = { learningRate: 1e-3, objective: "plain" as const };
  const image = imageBatch();
  const good = { ...image, pixels: Float32Array.from(image.pixels, (byte) => byte / 255) };
  const broken = { ...good, pixels: good.pixels.slice().fill(Number.NaN, 0, 4096) };
  for (let step = 0; step < 3; step++) await trainer.trainStep(good, key(step), plain);
  const before = await trainer.parameterNorms();
  const result = await trainer.trainStep(broken, key(3), plain);
  t.match(result, { skipped: true, samples: 2 });
  t.notOk(Number.isFinite(result.gradientNorm));
  t.same(await trainer.parameterNorms(), before);
  t.match(await trainer.trainStep(good, key(4), plain), { skipped: false });
  t.notSame(await trainer.parameterNorms(), before);
});

t.test("what a step refuses is refused in its turn", gpu, async (t) => {
  await using trainer = await trainerOn("cuda");
  const plain = { learningRate: 1e-3, objective: "plain" as const };
  const first = trainer.trainStep(textBatch(), key(0), plain);
  const replay = { ...plain, objective: "replay" as const };
  await t.rejects(trainer.trainStep(textBatch(), key(1), replay), { code: "E_NO_TEACHER" });
  t.match(await first, { skipped: false });
  const { labels: _, ...unlabelled } = textBatch();
  await t.rejects(trainer.trainStep(unlabelled, key(2), plain), { code: "E_ARGUMENT" });
});
