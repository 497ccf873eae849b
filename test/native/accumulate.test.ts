/** A batch in parts: the same draws, and gradients that add up to those of the whole. */
import t from "tap";
import type { Batch } from "../../lib/batch.js";
import { nativeBehaviour, presets } from "../../lib/config/presets.js";
import type { NativeTrainerOptions } from "../../lib/native/types.js";
import { Trainer } from "../../lib/trainer.js";
import { imageBatch, key, microOptions, textBatch, volumeBatch } from "../helpers/trainer.js";

const SAMPLES = 5;

const flips = Uint8Array.of(1, 0, 1, 0, 0);
const crops = Float32Array.from({ length: 4 * SAMPLES }, (_, i) =>
  i % 4 < 2 ? i % 7 : 60 + (i % 5),
);
const batches: Record<string, Batch> = {
  text: textBatch(SAMPLES),
  images: { ...imageBatch(SAMPLES, 80), crops, flips },
  volumes: { ...volumeBatch(SAMPLES), flips: Uint8Array.of(5, 2, 0, 1, 7) },
};
/** With drop path in every other branch, so that parts have survivors of their own, or none. */
const corrected = { ...presets.corrected(), encoder: { dropPath: 0.4 } };

/** Losses and norms of gradients of steps that change the weights. */
async function steps(batch: Batch, accumulate: number, changes: Partial<NativeTrainerOptions>) {
  const options = { teacher: { kind: "start" as const }, accumulate, ...changes };
  await using trainer = await Trainer.create(microOptions(options));
  const found: number[] = [];
  for (const objective of ["plain", "replay", "plain", "replay"] as const) {
    const at = key(found.length);
    const result = await trainer.trainStep(batch, at, { learningRate: 1e-3, objective });
    found.push(result.loss, result.gradientNorm, result.samples, Number(result.skipped));
  }
  return found;
}

const furthest = (found: number[], expected: number[]) =>
  Math.max(...found.map((x, i) => Math.abs(x - (expected[i] as number)) / (1e-3 + Math.abs(x))));

for (const [name, batch] of Object.entries(batches)) {
  t.test(`${name}: parts are the whole`, async (t) => {
    const behaviour = nativeBehaviour(corrected);
    const whole = await steps(batch, 1, { behaviour });
    t.ok(whole.every(Number.isFinite));
    for (const parts of [2, 3, SAMPLES, 64]) {
      const found = await steps(batch, parts, { behaviour });
      t.ok(furthest(found, whole) < 2e-4, `${parts} parts: ${furthest(found, whole)}`);
    }
  });
}

t.test("the published preset in parts; its texts see the padding of others", async (t) => {
  const behaviour = nativeBehaviour(presets.published());
  for (const batch of [batches.images, batches.volumes] as Batch[]) {
    const [whole, parts] = [
      await steps(batch, 1, { behaviour }),
      await steps(batch, 2, { behaviour }),
    ];
    t.ok(furthest(parts, whole) < 2e-4, `${furthest(parts, whole)}`);
  }
  await t.rejects(steps(batches.text as Batch, 2, { behaviour }), { code: "E_ARGUMENT" });
  const own = nativeBehaviour({
    ...presets.published(),
    attention: { text: "causal", textMask: "own" },
  });
  const text = batches.text as Batch;
  const [whole, parts] = [
    await steps(text, 1, { behaviour: own }),
    await steps(text, 3, { behaviour: own }),
  ];
  t.ok(furthest(parts, whole) < 2e-4, `causal: ${furthest(parts, whole)}`);
});

t.test("the limit of gradients is that of the whole batch's", async (t) => {
  const { optimizer } = microOptions();
  // An epsilon of the gradients' size, as AdamW barely sees their scale otherwise.
  const weak = { ...optimizer, epsilon: 1e-2 };
  const limited = { optimizer: { ...weak, maxGradientNorm: 0.01 } };
  for (const [name, batch] of Object.entries(batches)) {
    const [free, whole] = [
      await steps(batch, 1, { optimizer: weak }),
      await steps(batch, 1, limited),
    ];
    const parts = await steps(batch, 3, limited);
    t.ok((whole[1] as number) > 0.01, `${name}: ${whole[1]}`);
    t.ok(furthest(parts, whole) < 2e-4, `${name} in parts: ${furthest(parts, whole)}`);
    t.ok(furthest(free, whole) > 1e-3, `${name} without a limit: ${furthest(free, whole)}`);
  }
});

t.test("a part without a labelled word is left out, a batch without one is skipped", async (t) => {
  const text = textBatch(SAMPLES);
  const length = text.ids.length / SAMPLES;
  text.labels?.fill(-100, length);
  const [whole, parts] = [await steps(text, 1, {}), await steps(text, SAMPLES, {})];
  t.ok(furthest(parts, whole) < 2e-4, `${furthest(parts, whole)}`);
  text.labels?.fill(-100);
  const found = await steps(text, 2, {});
  t.same([found[3], found[7]], [1, 0], "the plain step is skipped, replay needs no labels");
});
