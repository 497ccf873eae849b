/**
 * Gradients longer than `maxGradientNorm` are scaled down as by torch.nn.utils.clip_grad_norm_: moments and weights
 * beside AdamW in float64 on the gradients of a trainer without a limit.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { presets } from "../../lib/config/presets.js";
import { readTensors } from "../../lib/safetensors.js";
import { Trainer } from "../../lib/trainer.js";
import {
  imageBatch,
  key,
  microBatches,
  microOptions,
  microSize,
  textBatch,
} from "../helpers/trainer.js";

/** Values of a trainer by name: weights, and moments and step counts of those that moved. */
type Snapshot = Map<string, { shape: number[]; data: Float32Array }>;

async function snapshot(trainer: Trainer, folder: string): Promise<Snapshot> {
  await trainer.save(folder);
  const files = ["model.safetensors", "optimizer.safetensors"];
  const read = await Promise.all(files.map((name) => readTensors(join(folder, name))));
  return new Map(read.flatMap((tensors) => [...tensors])) as Snapshot;
}

// With an epsilon of the gradients' size, as AdamW barely sees their scale otherwise.
const rules = { beta1: 0.9, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.05 };
const learningRate = 1e-2;
const plain = { learningRate, objective: "plain" as const };
const options = (maxGradientNorm?: number) =>
  microOptions({ optimizer: { ...rules, maxGradientNorm } });

/** Sums of squares of what was compared, and of how far it was off. */
class Distance {
  wanted = 0;
  off = 0;

  add(found: number, wanted: number): void {
    this.wanted += wanted ** 2;
    this.off += (found - wanted) ** 2;
  }

  get relative(): number {
    return Math.sqrt(this.off / this.wanted);
  }
}

/** Value and moments of a parameter; without moments it has not moved yet. */
function parameterOf(from: Snapshot, name: string) {
  const { shape, data: value } = from.get(name) as { shape: number[]; data: Float32Array };
  const of = (part: string) =>
    from.get(`${name}.${part}`)?.data ?? new Float32Array(part === "step" ? 1 : value.length);
  const decays = shape.length > 1 && !name.endsWith(".bias");
  return { value, first: of("exp_avg"), second: of("exp_avg_sq"), steps: of("step")[0], decays };
}

type Parameter = ReturnType<typeof parameterOf>;

/** What AdamW makes of value `i` and its moments in the step after which there were `steps`. */
function adamw(
  { value, first, second, decays }: Parameter,
  i: number,
  gradient: number,
  steps: number,
) {
  const { beta1, beta2, epsilon, weightDecay } = rules;
  const moments = [
    beta1 * (first[i] as number) + (1 - beta1) * gradient,
    beta2 * (second[i] as number) + (1 - beta2) * gradient ** 2,
  ] as const;
  const root = Math.sqrt(moments[1] / (1 - beta2 ** steps)) + epsilon;
  const kept = (value[i] as number) * (decays ? 1 - learningRate * weightDecay : 1);
  return [kept - (learningRate * moments[0]) / (1 - beta1 ** steps) / root, ...moments] as const;
}

/**
 * How far updates and moments of a step are from those of gradients times `factor`, all parameters together. The
 * gradients are those that the step without a limit left in its first moments.
 */
function distances(before: Snapshot, found: Snapshot, whole: Snapshot, factor: number) {
  const [update, first, second] = [new Distance(), new Distance(), new Distance()];
  const names = [...before.keys()].filter((name) => !/\.(exp_avg|exp_avg_sq|step)$/.test(name));
  for (const name of names) {
    const [old, now] = [parameterOf(before, name), parameterOf(found, name)];
    const oracle = parameterOf(whole, name);
    const steps = oracle.steps as number;
    for (const [i, value] of old.value.entries()) {
      const past = [value, old.first[i], old.second[i]] as [number, number, number];
      const gradient = ((oracle.first[i] as number) - rules.beta1 * past[1]) / (1 - rules.beta1);
      const expected = steps === old.steps ? past : adamw(old, i, factor * gradient, steps);
      update.add((now.value[i] as number) - value, expected[0] - value);
      first.add(now.first[i] as number, expected[1]);
      second.add(now.second[i] as number, expected[2]);
    }
  }
  return { update: update.relative, first: first.relative, second: second.relative };
}

for (const idleParameters of ["rest", "move"] as const) {
  // All are longer than the first; the volumes' gradients are shorter than the second.
  for (const limit of [0.01, 0.05]) {
    t.test(`a largest norm of ${limit}, idle parameters ${idleParameters}`, async (t) => {
      const folders = t.testdir({ before: {}, found: {}, whole: {} });
      const behaviour = { ...microOptions().behaviour, idleParameters };
      await using clipping = await Trainer.create({ ...options(limit), behaviour });
      await using whole = await Trainer.create({ ...options(), behaviour });
      const batches = microBatches();
      for (const [step, batch] of [...batches, ...batches].entries()) {
        const before = await snapshot(clipping, join(folders, "before"));
        if (step > 0) await whole.load(join(folders, "before"));
        const expected = await whole.trainStep(batch, key(step), plain);
        t.same(
          await clipping.trainStep(batch, key(step), plain),
          expected,
          "norms are the whole ones",
        );
        const { gradientNorm } = expected;
        t.equal(gradientNorm > limit, limit < 0.05 || batch.kind !== "volume3d", `${gradientNorm}`);
        const off = distances(
          before,
          await snapshot(clipping, join(folders, "found")),
          await snapshot(whole, join(folders, "whole")),
          Math.min(1, limit / (gradientNorm + 1e-6)),
        );
        t.ok(off.first < 1e-6 && off.second < 2e-6 && off.update < 1e-4, JSON.stringify(off));
      }
    });
  }
}

t.test("a limit that is never reached leaves every bit as it is", async (t) => {
  const folder = t.testdir({ with: {}, without: {} });
  for (const [part, limit] of Object.entries({ with: 1e3, without: undefined })) {
    await using trainer = await Trainer.create(options(limit));
    for (const [step, batch] of microBatches().entries())
      await trainer.trainStep(batch, key(step), plain);
    await trainer.save(join(folder, part));
  }
  for (const name of ["model.safetensors", "optimizer.safetensors"]) {
    const [a, b] = await Promise.all(
      ["with", "without"].map((part) => readFile(join(folder, part, name))),
    );
    t.ok((a as Buffer).equals(b as Buffer), name);
  }
});

t.test("a step that is not finite changes nothing under a limit either", async (t) => {
  await using trainer = await Trainer.create(options(0.01));
  await trainer.trainStep(imageBatch(), key(0), plain);
  const before = await trainer.parameterNorms();
  const image = imageBatch();
  const pixels = Float32Array.from(image.pixels, (byte) => byte / 255).fill(Number.NaN, 0, 4096);
  const broken = await trainer.trainStep({ ...image, pixels }, key(1), plain);
  t.match(broken, { skipped: true });
  t.same(await trainer.parameterNorms(), before);
});

t.test("a preset may hold the limit", async (t) => {
  const folder = t.testdir();
  const preset = presets.corrected();
  preset.optimizer.maxGradientNorm = 0.01;
  await using trainer = await Trainer.create({ size: microSize(), preset });
  const { gradientNorm } = await trainer.trainStep(textBatch(), key(0), plain);
  t.ok(gradientNorm > 0.1, `${gradientNorm}`);
  const moments = [...(await snapshot(trainer, folder))].filter(([name]) =>
    name.endsWith(".exp_avg"),
  );
  const squares = moments.flatMap(([, { data }]) => [...data.map((x) => x ** 2)]);
  const norm = Math.sqrt(squares.reduce((sum, x) => sum + x, 0));
  t.ok(Math.abs(norm / (0.1 * 0.01) - 1) < 1e-4, `first moments of a norm of ${norm}`);
});
