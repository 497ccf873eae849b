/** The fused stack of blocks against LibTorch's modules, which are its oracle. */
import t from "tap";
import type { Batch } from "../../lib/batch.js";
import type { NativeBehaviour, NativeTrainerOptions } from "../../lib/native/types.js";
import { Trainer } from "../../lib/trainer.js";
import { key, microBatches, microOptions, microSize, textBatch } from "../helpers/trainer.js";

type Objective = "plain" | "replay";
const objectives: readonly Objective[] = ["plain", "replay"];
/** Three decoder blocks: the first, one in the middle, the last. */
const size = { ...microSize(), decoderLayers: 3, encoderLayers: 3 };

function options(
  precision: "fp32" | "bf16",
  behaviour: Partial<NativeBehaviour>,
): NativeTrainerOptions {
  const base = microOptions({ size, precision, teacher: { kind: "formula", seed: 3 } });
  return { ...base, behaviour: { ...base.behaviour, ...behaviour } };
}

/** Loss and the norm of every parameter's gradient. */
async function gradients(
  batch: Batch,
  objective: Objective,
  precision: "fp32" | "bf16",
  behaviour: Partial<NativeBehaviour>,
) {
  await using trainer = await Trainer.create(options(precision, behaviour));
  const probe = await trainer.probe(batch, key(0), {
    objective,
    gradients: parameters.map((name) => ({ name, at: [0, 3, 7] })),
  });
  return { loss: probe.loss, gradients: probe.gradients };
}

const parameters = [
  "cls_token",
  ...["gamma_1", "norm1.weight", "self_attn.in_proj_weight", "self_attn.in_proj_bias"].map(
    (name) => `fused_encoder.layers.0.${name}`,
  ),
  ...["gamma_2", "norm2.bias", "linear1.bias", "linear2.weight", "self_attn.out_proj.bias"].map(
    (name) => `fused_encoder.layers.2.${name}`,
  ),
  "decoder_blocks.0.attn.qkv.weight",
  "decoder_blocks.0.norm1.weight",
  "decoder_blocks.1.mlp.fc2.weight",
  "decoder_blocks.2.attn.qkv.weight",
  "decoder_blocks.2.attn.proj.bias",
];

type Gradients = Awaited<ReturnType<typeof gradients>>;

/** Differences of the loss and of gradients' norms and values, relative to them: root of their mean square. */
function distance(a: Gradients, b: Gradients): number {
  const differences = Object.entries(a.gradients).flatMap(([name, { l2, values }]) => {
    const other = b.gradients[name];
    if (other === undefined) return [Number.POSITIVE_INFINITY];
    const apart = values.map((value, i) => Math.abs(value - (other.values[i] as number)));
    return [Math.abs(l2 - other.l2), ...apart].map((difference) => difference / (other.l2 + 1e-9));
  });
  const all = [Math.abs(a.loss - b.loss) / Math.abs(b.loss), ...differences];
  return Math.sqrt(all.reduce((sum, difference) => sum + difference ** 2, 0) / all.length);
}

/** All kinds, and texts whose tokens see none behind them. */
const cases = [
  ...microBatches().map((batch) => ({ batch, own: {}, name: batch.kind as string })),
  ...[textBatch(4), fullTextBatch()].map((batch) => ({
    ...{ batch, own: { attentionText: "causal" as const }, name: "causal text" },
  })),
];

function fullTextBatch() {
  const batch = textBatch(3);
  const length = batch.ids.length / 3;
  return {
    ...batch,
    ids: batch.ids.map((id) => id || 7),
    lengths: batch.lengths.map(() => length),
  };
}

for (const objective of objectives) {
  t.test(`${objective}: losses and all gradients are those of the modules`, async (t) => {
    for (const { batch, own, name } of cases) {
      const of = (precision: "fp32" | "bf16", blocks: NativeBehaviour["blocks"]) =>
        gradients(batch, objective, precision, { ...own, blocks });
      const [fused, plain] = [await of("fp32", "fused"), await of("fp32", "modules")];
      t.same(Object.keys(fused.gradients).sort(), Object.keys(plain.gradients).sort());
      const apart = distance(fused, plain);
      t.ok(apart < 2e-5, `${name}: ${apart}`);
      const rounded = distance(await of("bf16", "fused"), plain);
      const oracle = distance(await of("bf16", "modules"), plain);
      t.ok(rounded <= 2 * oracle + 1e-4, `${name} in bf16: ${rounded}, modules ${oracle}`);
    }
  });
}

t.test("a token that sees none behind it has other features than one that sees all", async (t) => {
  const batch = textBatch(4);
  const run = async (own: Partial<NativeBehaviour>) => {
    await using trainer = await Trainer.create(options("fp32", own));
    return trainer.features(batch, key(0));
  };
  const causal = await run({ attentionText: "causal" });
  const modules = await run({ attentionText: "causal", blocks: "modules" });
  const all = await run({});
  const apart = (a: Float32Array, b: Float32Array) =>
    Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
  t.ok(apart(causal, modules) < 1e-5, `${apart(causal, modules)}`);
  t.ok(apart(causal, all) > 1e-4, `${apart(causal, all)}`);
});

t.test("steps with drop path move the parameters as the modules do", async (t) => {
  // Often no sample has a branch, often all, often some.
  for (const dropPath of [0.5, 0.9]) {
    for (const { batch, own, name } of cases) {
      const run = async (blocks: NativeBehaviour["blocks"]) => {
        const behaviour = { ...own, blocks, dropPath };
        await using trainer = await Trainer.create(options("fp32", behaviour));
        const results = [];
        for (let step = 0; step < 4; step++) {
          const objective = objectives[step % 2] as Objective;
          results.push(
            await trainer.trainStep(batch, key(step), { learningRate: 1e-3, objective }),
          );
        }
        return { results, norms: await trainer.parameterNorms() };
      };
      const fused = await run("fused");
      const plain = await run("modules");
      t.same(await run("recomputed"), fused, "to the bit where blocks are computed twice");
      const apart = fused.results.map(({ loss, gradientNorm }, i) => {
        const other = plain.results[i] as (typeof plain.results)[number];
        return Math.max(
          Math.abs(loss / other.loss - 1),
          Math.abs(gradientNorm / other.gradientNorm - 1),
        );
      });
      t.ok(Math.max(...apart) < 1e-4, `${name}, ${dropPath}: ${apart.join(" ")}`);
      const norms = Object.entries(fused.norms).map(([name, norm]) =>
        Math.abs(norm - (plain.norms[name] as number)),
      );
      t.ok(Math.max(...norms) < 1e-3, `parameters: ${Math.max(...norms)}`);
    }
  }
});
