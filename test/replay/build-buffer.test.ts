import { mkdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { buildBuffer, pretrain, readBuffer, Trainer } from "../../lib/index.js";
import { microModel, microStore, microTraining } from "../helpers/micro.js";

t.setTimeout(120_000);

const folder = t.testdir();
const store = await microStore(folder);
const run = join(folder, "run");
const training = { ...microTraining, maxSteps: 2, reconstructions: 0, seed: 11 };
await pretrain({ store, out: run, stages: ["report", "xray"], ...training });
const stage = join(run, "stages", "02-xray");
const common = { store, modality: "xray", checkpoint: stage, threads: 1 };

t.test("a buffer of a stage's checkpoint", async (t) => {
  const out = join(t.testdir(), "new", "buffer.json");
  const buffer = await buildBuffer({ ...common, out });
  t.match(buffer, { modality: "xray", kind: "image2d", from: 13, clusters: 1, perCluster: 1 });
  t.match(buffer, { stage: 2, seed: 11, width: microModel.encoderWidth }, "the run's own");
  t.equal(buffer.data, `${"0".repeat(64)}:13+3`);
  t.same(await readBuffer(out), buffer);
  t.same(await buildBuffer({ ...common, batchSize: 13 }), buffer);
  t.same(await buildBuffer({ ...common, checkpoint: join(stage, "checkpoint") }), buffer);
});

t.test("a run's last weights serve every modality", async (t) => {
  for (const modality of ["report", "xray", "ct"]) {
    const options = { share: 0.5, centres: 0.2, restarts: 2 };
    const buffer = await buildBuffer({ ...common, checkpoint: run, modality, ...options });
    t.ok(buffer.samples.length >= 3, modality);
    t.ok(buffer.samples.every(({ record }) => record < 13));
  }
});

t.test("options of the caller win over the checkpoint's", async (t) => {
  const plain = await buildBuffer({ ...common, method: "random", share: 0.5 });
  const other = await buildBuffer({ ...common, method: "random", share: 0.5, seed: 12, stage: 5 });
  t.match(other, { seed: 12, stage: 5, samples: { length: 6 } });
  t.notSame(other.samples, plain.samples);
  const distances = (buffer: typeof plain) => buffer.samples.map(({ distance }) => distance);
  const published = await buildBuffer({
    ...{ ...common, modality: "report", method: "random", share: 0.5 },
    preset: "published",
  });
  const corrected = await buildBuffer({
    ...{ ...common, modality: "report", method: "random", share: 0.5 },
    preset: "published",
    features: { mode: "eval", padding: "excluded", maskOneToken: false },
  });
  t.notSame(distances(published), distances(corrected));
});

t.test("a bare model file needs its size, if it has no name", async (t) => {
  const bare = t.testdir();
  const trainer = await Trainer.create({ size: microModel, threads: 1 });
  await trainer.save(bare);
  await trainer.close();
  const checkpoint = join(bare, "model.safetensors");
  await t.rejects(buildBuffer({ ...common, checkpoint }), {
    code: "E_CONFIG",
    message: /^model: /,
  });
  const buffer = await buildBuffer({ ...common, checkpoint, model: microModel });
  t.match(buffer, { stage: 1, seed: 0 });
  const wide = { ...microModel, encoderWidth: 48 };
  const misfit = buildBuffer({ ...common, checkpoint, model: wide });
  await t.rejects(misfit, { code: "E_CHECKPOINT_SHAPE" });
  await t.rejects(buildBuffer({ ...common, checkpoint, model: "tiny", modality: "ct" }), {
    code: "E_CONFIG",
    message: /volumeSize/,
  });
});

t.test("what is wrong is found before the work", async (t) => {
  const occupied = t.testdir();
  const cases: Array<[object, string]> = [
    [{ store: join(folder, "none") }, "E_NO_STORE"],
    [{ modality: "mri" }, "E_NO_MODALITY"],
    [{ checkpoint: join(folder, "none") }, "E_NO_CHECKPOINT"],
    [{ out: occupied }, "E_WRITE"],
    [{ share: 2 }, "E_CONFIG"],
    [{ method: "magic" }, "E_CONFIG"],
    [{ budget: "lots" }, "E_CONFIG"],
    [{ shares: 1 }, "E_CONFIG"],
    [{ preset: "other" }, "E_CONFIG"],
  ];
  for (const [change, code] of cases) {
    await t.rejects(buildBuffer({ ...common, ...change }), { code }, JSON.stringify(change));
  }
  const small = { ...microModel, vocabulary: 12 };
  const bare = join(occupied, "bare");
  mkdirSync(bare);
  const trainer = await Trainer.create({ size: small, threads: 1 });
  await trainer.save(bare);
  await trainer.close();
  const words = { ...common, modality: "report", checkpoint: bare, model: small };
  await t.rejects(buildBuffer(words), { code: "E_CONFIG", message: /tokenizer has/ });
});

t.test("a signal stops it and nothing is written", async (t) => {
  const out = join(t.testdir(), "buffer.json");
  const signal = AbortSignal.abort();
  await t.rejects(buildBuffer({ ...common, out }, { signal }), { code: "E_ABORTED" });
  await t.rejects(readBuffer(out), { code: "E_NO_BUFFER" });
});
