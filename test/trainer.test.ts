import t from "tap";
import { models } from "../lib/config/models.js";
import { presets } from "../lib/config/presets.js";
import { loadTokenizer } from "../lib/data/tokenizer.js";
import { buildInfo, DEFAULT_VOCABULARY, Trainer } from "../lib/trainer.js";
import {
  imageBatch,
  key,
  microBatches,
  microOptions,
  microSize,
  plain,
} from "./helpers/trainer.js";

t.test("the default vocabulary is the default tokenizer's", async (t) => {
  t.equal(DEFAULT_VOCABULARY, (await loadTokenizer()).vocabularySize);
});

t.test("a size is enough of a configuration", async (t) => {
  await using trainer = await Trainer.create({ size: models.tiny() });
  const features = await trainer.features(imageBatch(2, 224));
  t.equal(features.length, 2 * 192);
});

t.test(
  "a public configuration and the options that it resolves to give the same network",
  async (t) => {
    const { threads } = buildInfo();
    const config = { size: microSize(), preset: presets.corrected(), seed: 7, threads };
    await using one = await Trainer.create(config);
    await using other = await Trainer.create(microOptions());
    t.same(await one.parameterNorms(), await other.parameterNorms());
    t.equal(buildInfo().threads, threads);
  },
);

t.test("every method on every kind of input", async (t) => {
  const teacher = { kind: "start" as const };
  await using trainer = await Trainer.create(microOptions({ teacher }));
  for (const batch of microBatches()) {
    const replay = { ...plain, objective: "replay" as const };
    t.ok((await trainer.trainStep(batch, key(0), plain)).gradientNorm > 0);
    t.match(await trainer.trainStep(batch, key(1), replay), { skipped: false, samples: 2 });
    const first = await trainer.evaluate(batch, key(2));
    t.same(await trainer.evaluate(batch, key(2)), first, "evaluation changes nothing");
    t.equal((await trainer.features(batch)).length, 2 * 16);
    const seen = await trainer.reconstruct(batch, key(2));
    t.equal(seen.kind, batch.kind);
    const count = seen.shape.reduce((a, b) => a * b, 1);
    t.same([seen.original.length, seen.prediction.length, seen.mask.length], [count, count, count]);
    t.ok(seen.mask.includes(1) && seen.mask.includes(0));
    const probe = await trainer.probe(batch, key(2), { objective: "plain", predictedRows: 2 });
    t.equal(
      probe.encoded.length,
      probe.encodedShape.reduce((a, b) => a * b, 1),
    );
  }
});
