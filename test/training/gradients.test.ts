import t from "tap";
import type { Batch } from "../../lib/batch.js";
import type { NativeTrainerOptions } from "../../lib/native/types.js";
import { Trainer } from "../../lib/trainer.js";
import { key, microBatches, microOptions } from "../helpers/trainer.js";

/** A few parameters of every part; those that a kind does not reach get no gradient. */
const names = [
  "cls_token",
  "mask_token",
  "fused_encoder.layers.0.gamma_1",
  "fused_encoder.layers.1.self_attn.in_proj_weight",
  "fused_encoder.layers.0.linear2.weight",
  "token_embed.embeddings_norm.weight",
  "video_embed.embeddings.weight",
  "video_embed.embeddings_3D.bias",
  "decoder_embed.weight",
  "decoder_blocks.0.attn.qkv.weight",
  "decoder_pred_2D.bias",
  "decoder_pred_3D.weight",
  "mlm_head.transform.dense.weight",
  "mlm_head.bias",
];
const STEP_KEY = key(0);

/** One plain gradient step of size `rate` seen through AdamW's first step: every value moves by about `rate`. */
async function lossAfterStep(
  options: NativeTrainerOptions,
  batch: Batch,
  rate: number,
): Promise<number> {
  await using trainer = await Trainer.create(options);
  await trainer.trainStep(batch, STEP_KEY, { learningRate: rate, objective: "plain" });
  return (await trainer.probe(batch, STEP_KEY, { objective: "plain" })).loss;
}

t.test("gradients predict how the loss changes along the optimiser's first step", async (t) => {
  const base = microOptions();
  // No drop path, so that the step sees the network that the probe sees.
  const behaviour = { ...base.behaviour, dropPath: 0 };
  const optimizer = { ...base.optimizer, epsilon: 1e-3, weightDecay: 0 };
  const options = { ...base, behaviour, optimizer };
  const rate = 1e-4;
  for (const batch of microBatches()) {
    await using trainer = await Trainer.create(options);
    const before = await trainer.probe(batch, STEP_KEY, {
      objective: "plain",
      gradients: names.map((name) => ({ name, at: [0, 1] })),
    });
    t.ok(
      names.some((name) => before.gradients[name] !== undefined),
      `${batch.kind} has gradients`,
    );
    t.ok(Object.values(before.gradients).every(({ l2 }) => Number.isFinite(l2)));
    const after = await lossAfterStep(options, batch, rate);
    t.ok(after < before.loss, `${batch.kind}: ${before.loss} to ${after}`);
  }
});

t.test("a kind gives gradients to its own parts only", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const own = { text: /^(token_embed|mlm_head)/, image2d: /2D|embeddings\./, volume3d: /3D/ };
  for (const batch of microBatches()) {
    const { gradients } = await trainer.probe(batch, STEP_KEY, { objective: "plain" });
    const received = Object.keys(gradients);
    t.ok(received.some((name) => own[batch.kind].test(name)));
    t.ok(received.some((name) => name.startsWith("fused_encoder.")));
    if (batch.kind === "text")
      t.notOk(received.some((name) => /^(decoder_blocks|video_embed)/.test(name)));
    else t.notOk(received.some((name) => /^(mlm_head|token_embed)/.test(name)));
  }
});

t.test("idle parameters rest, or move by decay", async (t) => {
  const [text, image] = microBatches();
  for (const idleParameters of ["rest", "move"] as const) {
    const base = microOptions();
    const behaviour = { ...base.behaviour, idleParameters };
    await using trainer = await Trainer.create({ ...base, behaviour });
    const options = { learningRate: 1e-2, objective: "plain" as const };
    await trainer.trainStep(image as Batch, key(0), options);
    const before = await trainer.parameterNorms();
    await trainer.trainStep(text as Batch, key(1), options);
    const after = await trainer.parameterNorms();
    const name = "decoder_pred_2D.weight";
    if (idleParameters === "rest") t.equal(after[name], before[name]);
    else t.not(after[name], before[name]);
  }
});
