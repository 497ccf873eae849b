import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { Batch } from "../../lib/batch.js";
import { validationBatches } from "../../lib/data/batches.js";
import { OpenedStore } from "../../lib/data/opened-store.js";
import { writeBuffer } from "../../lib/replay/buffer-file.js";
import { type StageConfig, stageSteps, trainStage } from "../../lib/stages/train-stage.js";
import {
  microDataset,
  microModel,
  microStore,
  microTraining,
  microVocabulary,
} from "../helpers/micro.js";

const training = { ...microTraining, reconstructions: 0 };

function weights(out: string): string {
  return readFileSync(join(out, "checkpoint", "model.safetensors")).toString("base64");
}

t.test("a stage of a store", async (t) => {
  const folder = t.testdir();
  const out = join(folder, "stage");
  const data = await microStore(folder);
  const result = await trainStage({ modality: "report", data, stage: 2, out, ...training });
  t.match(result, { stage: 2, modality: "report", steps: 6, checkpoint: "checkpoint" });
  for (const name of ["config.json", "metrics.jsonl", "summary.json"]) {
    t.ok(existsSync(join(out, name)), name);
  }
  const config = { modality: "report", data, stage: 2, out, ...training, resume: true };
  t.same(await trainStage(config), JSON.parse(JSON.stringify(result)), "finished already");
  await t.rejects(trainStage({ ...config, modality: "mri", out: join(folder, "b") }), {
    code: "E_NO_MODALITY",
  });
});

t.test("records of one's own, with and without validation", async (t) => {
  const folder = t.testdir();
  const data = microDataset("image2d", 9);
  const out = join(folder, "a");
  const validation = microDataset("image2d", 2);
  const result = await trainStage({ modality: "own", data, validation, out, ...microTraining });
  t.ok(result.validationLoss);
  t.equal(result.reconstructions.length, 1);
  const plain = await trainStage({ modality: "own", data, out: join(folder, "b"), ...training });
  t.equal(plain.validationLoss, undefined);
  t.equal(weights(out), weights(join(folder, "b")), "validation changes nothing");
});

t.test("texts of one's own take a tokenizer", async (t) => {
  const folder = t.testdir();
  const data = microDataset("text", 8);
  const tokenizer = await microVocabulary(folder);
  const config: StageConfig = { modality: "notes", data, tokenizer, ...training, out: "" };
  const result = await trainStage({ ...config, out: join(folder, "a") });
  t.equal(result.steps, 4);
  const model = { ...microModel, vocabulary: 10 };
  await t.rejects(trainStage({ ...config, model, out: join(folder, "b") }), {
    code: "E_CONFIG",
    values: { field: "model.vocabulary" },
  });
});

/** The same batches each time it is read. */
function stream(count: number): AsyncIterable<Batch> {
  const source = validationBatches(microDataset("volume3d", count * 4), {
    batchSize: 4,
    seed: 0,
    stage: 1,
    training: false,
    sampling: "permutation",
    channelOrder: "rgb",
  });
  return {
    async *[Symbol.asyncIterator]() {
      for (let step = 0; step < count; step++) yield source.batch(step);
    },
  };
}

t.test("a stream of batches, resumed where it stopped", async (t) => {
  const folder = t.testdir();
  const config = { modality: "own", data: stream(5), ...microTraining, maxSteps: 5 };
  const whole = await trainStage({ ...config, out: join(folder, "whole") });
  t.match(whole, { steps: 5, epochs: 1, samples: 20 });
  t.equal(whole.reconstructions.length, 1);
  const out = join(folder, "parts");
  for await (const row of stageSteps({ ...config, out })) if (row.step === 2) break;
  await trainStage({ ...config, out, resume: true });
  t.equal(weights(out), weights(join(folder, "whole")));
  await t.rejects(trainStage({ ...config, maxSteps: undefined, out: join(folder, "x") }), {
    code: "E_CONFIG",
    values: { field: "maxSteps" },
  });
});

t.test("samples of a stream are those of its batches, whatever the batch size says", async (t) => {
  const folder = t.testdir();
  const config = { modality: "own", data: stream(5), ...training, maxSteps: 5, batchSize: 16 };
  const whole = await trainStage({ ...config, out: join(folder, "whole") });
  t.equal(whole.samples, 20);
  const out = join(folder, "parts");
  for await (const row of stageSteps({ ...config, out })) if (row.step === 2) break;
  t.equal((await trainStage({ ...config, out, resume: true })).samples, 20);
});

t.test("stores of what is replayed are closed where the data do not fit", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const buffer = join(folder, "buffer.json");
  const chosen = { modality: "xray", kind: "image2d", method: "random" } as const;
  const size = { share: 0.5, centreShare: 0.5, clusters: 1, perCluster: 1, width: 1 };
  const origin = { seed: 0, stage: 1, checkpoint: "0".repeat(64), data: "", from: 13 };
  const samples = [{ record: 0, cluster: 0, distance: 0 }];
  const rest = { recordBytes: 1024, centres: Float32Array.of(0), samples };
  await writeBuffer(buffer, { version: 1, ...chosen, ...size, ...origin, ...rest });
  const closed = new Set<string>();
  const { close } = OpenedStore.prototype;
  t.teardown(() => Object.assign(OpenedStore.prototype, { close }));
  OpenedStore.prototype.close = async function (this: OpenedStore) {
    closed.add(this.path);
    await close.call(this);
  };
  const other = await microStore(folder, ["ct"], "other");
  const base = { modality: "ct", ...training, buffers: [buffer], bufferStore: store };
  const large = { batchSize: 10, out: join(folder, "run") };
  const error = { code: "E_BATCH_TOO_LARGE" };
  await t.rejects(trainStage({ ...base, data: other, ...large }), error);
  t.same([...closed].sort(), [other, store].sort());
  closed.clear();
  await t.rejects(trainStage({ ...base, data: microDataset("volume3d", 9), ...large }), error);
  t.same([...closed], [store]);
});

t.test("what does not fit is refused before anything is written", async (t) => {
  const folder = t.testdir();
  const data = microDataset("image2d", 9);
  const base: StageConfig = { modality: "own", data, ...training, out: join(folder, "run") };
  await t.rejects(trainStage({ ...base, batchSize: 10 }), {
    code: "E_BATCH_TOO_LARGE",
    exitCode: 2,
    remedy: "Add --batch-size 9, or a smaller one.",
  });
  await t.rejects(trainStage({ ...base, data: microDataset("image2d", 0) }), {
    code: "E_NO_DATA",
    message: "No usable data in own: no sample is for training",
  });
  await t.rejects(trainStage({ ...base, data: 3 as never }), { code: "E_CONFIG" });
  await t.rejects(trainStage({ ...base, data: join(folder, "none") }), { code: "E_NO_STORE" });
  await t.rejects(trainStage({ ...base, startFrom: join(folder, "none") }), {
    code: "E_NO_CHECKPOINT",
  });
  const model = { ...microModel, volumeSize: [32, 32, 32] as [number, number, number] };
  await t.rejects(trainStage({ ...base, model, data: microDataset("volume3d", 8) }), {
    code: "E_CONFIG",
    values: { field: "model.volumeSize" },
  });
  await t.rejects(
    trainStage({ ...base, model: { ...microModel, textLength: 8 }, data: microDataset("text", 8) }),
    { code: "E_CONFIG", values: { field: "model.textLength" } },
  );
  t.notOk(existsSync(base.out));
});
