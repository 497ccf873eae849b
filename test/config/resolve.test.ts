import t from "tap";
import { models } from "../../lib/config/models.js";
import { presets } from "../../lib/config/presets.js";
import { differences, modelName, resolvePretrain, resolveStage } from "../../lib/config/resolve.js";
import type { PretrainInput } from "../../lib/config/training.js";

const minimal = { store: "s", out: "o" };

t.test("defaults follow the model and the device", async (t) => {
  const base = resolvePretrain(minimal).training;
  t.match(base, { batchSize: 128, epochs: 300, logEvery: 1, device: "cpu", precision: "fp32" });
  t.equal(base.learningRate.peak, (1.5e-4 * 128) / 256);
  t.same(base.behaviour, presets.corrected());
  t.ok(base.threads >= 1);
  t.equal(resolvePretrain({ ...minimal, device: "cuda:1" }).training.logEvery, 10);
  const tiny = resolvePretrain({ ...minimal, model: "tiny" }).training;
  t.equal(tiny.batchSize, 8);
  t.not(tiny.learningRate.peak, (1.5e-4 * 8) / 256);
  t.same(resolvePretrain({ ...minimal, model: models.tiny() }).training, tiny);
  t.equal(
    resolvePretrain({ ...minimal, model: "tiny", batchSize: 16 }).training.learningRate.peak,
    tiny.learningRate.peak,
    "tiny's peak does not follow the batch",
  );
});

t.test("the peak can be set, and the base rate scales with the batch", async (t) => {
  const peak = (learningRate: object) =>
    resolvePretrain({ ...minimal, batchSize: 64, learningRate }).training.learningRate.peak;
  t.equal(peak({ peak: 0.5 }), 0.5);
  t.equal(peak({ base: 1 }), 0.25);
});

t.test("single options override the preset", async (t) => {
  const { behaviour } = resolvePretrain({
    ...minimal,
    preset: "published",
    attention: { text: "bidirectional" },
    temporalPosition: "zero",
  }).training;
  const expected = presets.published();
  expected.attention.text = "bidirectional";
  expected.temporalPosition = "zero";
  t.same(behaviour, expected);
  const own = { ...presets.corrected(), temporalPosition: "random" as const };
  t.same(resolvePretrain({ ...minimal, preset: own }).training.behaviour, own);
});

t.test("options of replay override the preset too", async (t) => {
  const { behaviour } = resolvePretrain({
    ...minimal,
    teacher: { mode: "train" },
    features: { padding: "included" },
    distillation: { text: "corrupted" },
    mixup: { text: "tokens-and-padding" },
  }).training;
  t.equal(behaviour.teacher.mode, "train");
  t.equal(behaviour.features.padding, "included");
  t.equal(behaviour.distillation.text, "corrupted");
  t.equal(behaviour.mixup.text, "tokens-and-padding");
  t.throws(() => resolvePretrain({ ...minimal, teacher: { mod: "train" } }), { code: "E_CONFIG" });
});

t.test("resolving a resolved configuration gives it back", async (t) => {
  for (const input of [
    minimal,
    { ...minimal, model: "tiny", preset: "published", seed: 3, maxSteps: 5, stages: ["ct"] },
    { ...minimal, masking: { ratio: 0.5 }, checkpoint: { steps: 2 }, resume: true },
    { ...minimal, optimizer: { maxGradientNorm: 0.5 } },
  ]) {
    const once = resolvePretrain(input);
    const again = resolvePretrain(once.json);
    t.same(again.json, once.json);
    t.same(again.training, once.training);
  }
  const stage = resolveStage({ modality: "ct", data: "store", out: "o", stage: 3 });
  t.same(resolveStage(stage.json).json, stage.json);
  t.notOk("data" in resolveStage({ modality: "ct", data: {}, out: "o" }).json);
});

t.test("differences leave out what does not change the result", async (t) => {
  const before = resolvePretrain(minimal).json;
  t.same(
    differences(
      before,
      resolvePretrain({
        store: "elsewhere",
        out: "p",
        threads: 1000,
        logEvery: 7,
        validateEvery: 5,
        device: "cuda",
        bufferStore: "third",
        reconstructions: 0,
        nonFiniteLimit: 20,
        checkpoint: { steps: 3 },
        resume: true,
      }).json,
      true,
    ),
    [],
  );
  for (const [change, expected] of [
    [{ seed: 1 }, "seed: 0 -> 1"],
    [{ batchSize: 64 }, "batchSize: 128 -> 64"],
    [{ precision: "bf16" }, 'precision: "fp32" -> "bf16"'],
    [{ replay: false }, "replay: true -> false"],
    [{ buffer: { share: 0.1 } }, "buffer.share: 0.05 -> 0.1"],
    [{ masking: { ratio: 0.5 } }, "masking.ratio: 0.75 -> 0.5"],
    [{ stages: ["ct"] }, 'stages: unset -> ["ct"]'],
    [{ optimizer: { maxGradientNorm: 1 } }, "optimizer.maxGradientNorm: unset -> 1"],
  ] as const) {
    const after = resolvePretrain({ ...minimal, ...change } as PretrainInput).json;
    t.ok(differences(before, after, false).includes(expected), expected);
  }
});

t.test("how long stages are counts in a finished run only", async (t) => {
  const before = resolvePretrain({ ...minimal, epochs: 4 }).json;
  const after = resolvePretrain({ ...minimal, epochs: 5, maxSteps: 3, seed: 1 }).json;
  t.same(differences(before, after, false), ["seed: 0 -> 1"]);
  t.same(differences(before, after, true), [
    "epochs: 4 -> 5",
    "seed: 0 -> 1",
    "maxSteps: unset -> 3",
  ]);
  t.same(differences(resolvePretrain({ ...minimal, maxSteps: 3 }).json, before, true), [
    "epochs: 300 -> 4",
    "maxSteps: 3 -> unset",
  ]);
});

t.test("sizes are known by their dimensions", async (t) => {
  t.equal(modelName(models.small()), "small");
  t.equal(modelName({ ...models.small(), vocabulary: undefined }), "small");
  t.equal(modelName({ ...models.small(), encoderLayers: 11 }), undefined);
});
