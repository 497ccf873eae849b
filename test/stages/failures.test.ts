import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { Batch } from "../../lib/batch.js";
import type { Dataset } from "../../lib/data/dataset.js";
import { readRows } from "../../lib/metrics/rows.js";
import { type StageConfig, trainStage } from "../../lib/stages/train-stage.js";
import { DEFAULT_VOCABULARY } from "../../lib/trainer.js";
import { microDataset, microModel, microStore, microTraining } from "../helpers/micro.js";

const training = { ...microTraining, reconstructions: 0 };

/** Volumes of which some are not numbers. */
function broken(from: number): Dataset {
  return {
    kind: "volume3d",
    length: 8,
    record: { dtype: "f32", shape: [16, 32, 32] },
    read(index, { data }) {
      data.fill(index >= from ? Number.NaN : index / 8);
      if (index < from) for (let i = 0; i < data.length; i++) data[i] = Math.sin(i * (index + 1));
    },
  };
}

t.test("single steps that are not finite are skipped and counted", async (t) => {
  const out = join(t.testdir(), "run");
  const data = broken(7);
  const result = await trainStage({ modality: "own", data, out, ...training, batchSize: 1 });
  t.equal(result.skippedSteps, 2);
  t.ok(Number.isFinite(result.trainingLoss.after));
  const rows = await readRows(join(out, "metrics.jsonl"));
  t.equal(rows.filter((row) => row.loss === null).length, 2);
});

t.test("a run of them ends the stage and names step and samples", async (t) => {
  const out = join(t.testdir(), "run");
  const config = { modality: "own", data: broken(0), out, ...training, batchSize: 2 };
  await t.rejects(trainStage({ ...config, nonFiniteLimit: 3 }), {
    code: "E_NON_FINITE",
    message: /in 3 steps in a row, at step 3 of own \(samples \d, \d of own\)/,
    exitCode: 1,
  });
});

t.test("long batches are named in part, streams by their step", async (t) => {
  const folder = t.testdir();
  const data = { ...broken(0), length: 32 };
  const config = { modality: "own", ...training, batchSize: 32, nonFiniteLimit: 1 };
  await t.rejects(trainStage({ ...config, data, out: join(folder, "a") }), {
    message: /\(samples (\d+, ){15}\d+ and more of own\)/,
  });
  const pixels = new Float32Array(1024).fill(Number.NaN);
  const stream = async function* (): AsyncGenerator<Batch> {
    yield { kind: "image2d", pixels, shape: [1, 32, 32, 1] };
  };
  await t.rejects(trainStage({ ...config, data: stream(), maxSteps: 1, out: join(folder, "b") }), {
    message: /batch 0 of the stream/,
  });
});

t.test("a checkpoint of another model size is refused with both shapes", async (t) => {
  const folder = t.testdir();
  const data = microDataset("image2d", 8);
  const first: StageConfig = { modality: "own", data, ...training, out: join(folder, "a") };
  await trainStage(first);
  const model = { ...microModel, encoderWidth: 48 };
  await t.rejects(trainStage({ ...first, model, startFrom: first.out, out: join(folder, "b") }), {
    code: "E_CHECKPOINT_SHAPE",
    exitCode: 1,
  });
});

t.test("a start that was trained with another tokenizer is refused", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const first = { modality: "report", data: store, ...training, out: join(folder, "a") };
  await trainStage(first);
  await t.rejects(
    trainStage({
      modality: "notes",
      data: microDataset("text", 8),
      ...training,
      model: { ...microModel, vocabulary: DEFAULT_VOCABULARY },
      startFrom: first.out,
      out: join(folder, "b"),
    }),
    { code: "E_TOKENIZER_MISMATCH" },
  );
});

const gpu = existsSync("/dev/nvidia0") && "this machine has a GPU";

t.test("CUDA where there is none is E_NO_CUDA", { skip: gpu }, async (t) => {
  const data = microDataset("image2d", 8);
  const out = join(t.testdir(), "run");
  await t.rejects(trainStage({ modality: "own", data, ...training, out, device: "cuda" }), {
    code: "E_NO_CUDA",
  });
});

/** A file system of 16 MiB, to be unmounted; undefined where that is not allowed. */
function smallDisk(): { path: string; remove(): void } | undefined {
  const path = mkdtempSync(join(tmpdir(), "medcoss-disk-"));
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", path]);
  const remove = () => {
    if (status === 0) spawnSync("umount", ["-l", path]);
    rmdirSync(path);
  };
  if (status === 0) return { path, remove };
  remove();
  return undefined;
}

t.test("a full disk keeps the last checkpoint", async (t) => {
  const disk = smallDisk();
  if (!disk) return t.pass("not tried", { skip: "nothing can be mounted here" });
  t.teardown(disk.remove);
  const out = join(disk.path, "run");
  const data = microDataset("image2d", 8);
  const model = { ...microModel, encoderWidth: 96, vocabulary: 2000 };
  const config = { modality: "own", data, ...training, model, out, checkpoint: { steps: 1 } };
  await t.rejects(trainStage({ ...config, epochs: 4 }), { code: "E_DISK_FULL", exitCode: 1 });
  const state = join(out, "checkpoint", "state.json");
  t.ok(JSON.parse(readFileSync(state, "utf8")).step >= 1);
});
