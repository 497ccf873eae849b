import t from "tap";
import { loadBinding } from "../../lib/native/load.js";
import type { NativeTrainerOptions } from "../../lib/native/types.js";
import { configureThreads, formula, kmeans, Trainer } from "../../lib/trainer.js";
import {
  imageBatch,
  key,
  microOptions,
  microSize,
  plain,
  textBatch,
  volumeBatch,
} from "../helpers/trainer.js";

const refused = { name: "MedcossError", code: "E_ARGUMENT" };
// biome-ignore lint/suspicious/noExplicitAny: wrong values on purpose
type Wrong = any;

t.test("batches that do not fit are refused, and the trainer goes on", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const text = textBatch();
  const image = imageBatch();
  const volume = volumeBatch();
  const wrong: Wrong[] = [
    undefined,
    null,
    7,
    { kind: "sound" },
    { ...text, ids: [...text.ids] },
    { ...text, ids: new Int32Array(25) },
    { ...text, ids: new Float32Array(24) },
    { ...text, ids: Int32Array.from(text.ids).fill(50) },
    { ...text, ids: Int32Array.from(text.ids).fill(-1) },
    { ...text, lengths: Int32Array.of(0, 3) },
    { ...text, lengths: Int32Array.of(13, 3) },
    { ...text, lengths: new Int32Array(0) },
    { ...text, labels: new Int32Array(3) },
    { ...text, labels: new Int32Array(24).fill(-1) },
    textBatch(1, 13),
    { ...image, shape: [2, 64, 64] },
    { ...image, shape: [2, 64, 64, 4] },
    { ...image, shape: [2, 64, 64, 1] },
    { ...image, shape: [2, 64.5, 64, 3] },
    { ...image, pixels: new Int16Array(image.pixels.length) },
    imageBatch(2, 48),
    { ...image, crops: new Float32Array(8) },
    { ...image, crops: Float32Array.of(0, 0, 64, 65, 0, 0, 64, 64) },
    { ...image, flips: new Uint8Array(3) },
    {
      ...imageBatch(),
      pixels: Float32Array.from(image.pixels),
      crops: new Float32Array(8).fill(1),
    },
    { ...volume, shape: [2, 16, 64, 32] },
    { ...volume, voxels: new Uint8Array(volume.voxels.length) },
    { ...volume, scale: Number.NaN },
    { ...volume, offset: "0" },
    { ...volume, flips: [0, 0] },
  ];
  for (const [i, batch] of wrong.entries()) {
    await t.rejects(trainer.evaluate(batch, key(0)), refused, `batch ${i}`);
  }
  const result = await trainer.evaluate(text, key(0));
  t.ok(result.loss > 0);
});

t.test("an array whose buffer was handed away is refused", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const batch = textBatch();
  structuredClone(batch.ids.buffer, { transfer: [batch.ids.buffer as ArrayBuffer] });
  await t.rejects(trainer.evaluate(batch, key(0)), {
    ...refused,
    message: /Expected an Int32Array \[2,L\].* for batch\.ids, received Int32Array of 0/,
  });
});

t.test("arrays are copied before the call returns", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const batch = imageBatch();
  const expected = await trainer.evaluate(batch, key(0));
  const pending = trainer.evaluate(batch, key(0));
  batch.pixels.fill(0);
  t.same(await pending, expected);
});

t.test("keys, options and paths are checked", async (t) => {
  await using trainer = await Trainer.create(microOptions());
  const batch: Wrong = textBatch();
  const keys: Wrong[] = [
    undefined,
    {},
    { stage: 0 },
    key(-1),
    key(2 ** 32),
    key(0.5),
    key(0, 65536),
  ];
  for (const wrong of keys) await t.rejects(trainer.evaluate(batch, wrong), refused);
  const options: Wrong[] = [
    undefined,
    { ...plain, learningRate: -1 },
    { ...plain, learningRate: Number.NaN },
    { ...plain, objective: "both" },
    { ...plain, noise: new Float32Array(3) },
  ];
  for (const wrong of options) await t.rejects(trainer.trainStep(batch, key(0), wrong), refused);
  const probes: Wrong[] = [
    { objective: "plain", partner: Int32Array.of(0, 2) },
    { objective: "plain", gradients: {} },
    { objective: "plain", gradients: [{ name: "cls_token", at: 3 }] },
    { objective: "plain", gradients: [{ name: 5, at: [] }] },
    { objective: "plain", predictedRows: -1 },
    { objective: "plain", lambda: new Float32Array(1) },
    { objective: "plain", keep: new Float32Array(24) },
  ];
  for (const wrong of probes) await t.rejects(trainer.probe(batch, key(0), wrong), refused);
  await t.rejects(trainer.save(undefined as Wrong), refused);
  await t.rejects(trainer.load(3 as Wrong), refused);
});

t.test("options of a trainer are checked", async (t) => {
  const base = microOptions();
  const size = (change: object): Wrong => ({ size: { ...microSize(), ...change } });
  const wrong: Array<Partial<NativeTrainerOptions>> = [
    size({ encoderHeads: 3 }),
    size({ encoderWidth: 0 }),
    size({ decoderHeads: 5 }),
    size({ imageSize: 60 }),
    size({ imageSize: 1024 }),
    size({ volumeSize: [16, 64] }),
    size({ volumeSize: [16, 64, 60] }),
    size({ textLength: 513 }),
    { behaviour: { ...base.behaviour, attentionText: "sideways" as Wrong } },
    { behaviour: { ...base.behaviour, decoderTextPosition: 1 as Wrong } },
    { behaviour: { ...base.behaviour, maskRatio: 1 } },
    { behaviour: { ...base.behaviour, dropPath: 1 } },
    { optimizer: { ...base.optimizer, beta1: 2 } },
    ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, "1" as Wrong, null as Wrong].map(
      (maxGradientNorm) => ({ optimizer: { ...base.optimizer, maxGradientNorm } }),
    ),
    { precision: "fp16" as Wrong },
    { device: 0 as Wrong },
    { device: "tpu" },
    { seed: -1 },
    { seed: 2 ** 60 },
    { stage: 70000 },
    { start: { kind: "file", path: "x" } as Wrong },
    { start: { kind: "start" } as Wrong },
    { teacher: { kind: "unknown" } as Wrong },
  ];
  for (const change of wrong) {
    await t.rejects(Trainer.create({ ...base, ...change }), refused, JSON.stringify(change));
  }
  await t.rejects(
    Trainer.create({ ...base, optimizer: { ...base.optimizer, maxGradientNorm: 0 } }),
    { message: /Expected a number above 0 for options\.optimizer\.maxGradientNorm, received 0/ },
  );
});

t.test("functions without a trainer check their arguments", async (t) => {
  t.throws(() => configureThreads(0), refused);
  t.throws(() => formula(5 as Wrong, 3, 0), refused);
  t.throws(() => formula("x", -1, 0), refused);
  t.throws(() => loadBinding().philox([0, 0], [0, 0, 0, -1]), { code: "E_ARGUMENT" });
  const options = { data: new Float32Array(8), samples: 4, dimensions: 2, clusters: 2 };
  const rules = { seed: 0, restarts: 1, maxIterations: 5, tolerance: 1e-4 };
  await t.rejects(kmeans({ ...options, ...rules, samples: 5 }), refused);
  await t.rejects(kmeans({ ...options, ...rules, clusters: 5 }), refused);
  await t.rejects(kmeans({ ...options, ...rules, device: "tpu" }), refused);
  await t.rejects(kmeans({ ...options, ...rules, centres: new Float32Array(3) }), refused);
  await t.rejects(kmeans(undefined as Wrong), refused);
});
