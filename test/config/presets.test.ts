import t from "tap";
import { behaviourSchema } from "../../lib/config/behaviour.js";
import { models, nativeModelSize, PUBLISHED_VOCABULARY } from "../../lib/config/models.js";
import { nativeBehaviour, presetNames, presets } from "../../lib/config/presets.js";

t.test("presets are complete and fresh", async (t) => {
  for (const name of presetNames) {
    t.same(behaviourSchema.parse(presets[name]()), presets[name]());
    t.not(presets[name](), presets[name]());
  }
});

t.test("the two differ in exactly the options with a quirk", async (t) => {
  const flat = (value: object, prefix = ""): Array<[string, unknown]> =>
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === "object" && !Array.isArray(inner)
        ? flat(inner, `${prefix}${key}.`)
        : [[`${prefix}${key}`, inner]],
    );
  const corrected = new Map(flat(presets.corrected()));
  const different = flat(presets.published()).filter(
    ([key, value]) => JSON.stringify(corrected.get(key)) !== JSON.stringify(value),
  );
  t.same(different.map(([key]) => key).sort(), [
    "attention.text",
    "attention.textMask",
    "decoder.positions",
    "decoder.textPosition",
    "distillation.padding",
    "distillation.text",
    "features.maskOneToken",
    "features.mode",
    "features.padding",
    "masking.quota",
    "mixup.text",
    "optimizer.idleParameters",
    "sampling.current",
    "sampling.smallBuffers",
    "teacher.mode",
    "temporalPosition",
  ]);
});

t.test("neither has a limit of gradients", async (t) => {
  for (const name of presetNames)
    t.equal(presets[name]().optimizer.maxGradientNorm, undefined, name);
});

t.test("native behaviour names every switch", async (t) => {
  t.same(nativeBehaviour(presets.published()), {
    attentionText: "causal",
    attentionTextMask: "tiled",
    teacherMode: "train",
    featuresMode: "train",
    featuresPadding: "included",
    decoderPositions: "learned-from-zero",
    decoderTextPosition: true,
    temporalPosition: "random",
    distillationPadding: "included",
    mixupText: "tokens-and-padding",
    idleParameters: "move",
    maskRatio: 0.75,
    dropPath: 0.1,
  });
});

t.test("base keeps the published vocabulary, others take the tokenizer's", async (t) => {
  t.equal(nativeModelSize(models.base(), 30522).vocabulary, PUBLISHED_VOCABULARY);
  for (const name of ["tiny", "small", "large"] as const) {
    t.equal(nativeModelSize(models[name](), 30522).vocabulary, 30522);
  }
});
