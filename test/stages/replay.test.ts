import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { resolvePretrain } from "../../lib/config/resolve.js";
import type { PretrainInput } from "../../lib/config/training.js";
import { openStore } from "../../lib/data/store.js";
import { readRows } from "../../lib/metrics/rows.js";
import { readBuffer } from "../../lib/replay/buffer-file.js";
import type { Item } from "../../lib/stages/items.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { openBuffers, readBuffers } from "../../lib/stages/replay.js";
import { datasetData } from "../../lib/stages/stage-data.js";
import { storeParts } from "../../lib/stages/store-data.js";
import { trainStage } from "../../lib/stages/train-stage.js";
import { microStore, microTraining } from "../helpers/micro.js";

const training = { ...microTraining, reconstructions: 0 };
const folder = t.testdir();
const store = await microStore(folder);
const names = ["01-report", "02-xray", "03-ct"];

async function run(name: string, changes: Partial<PretrainInput> = {}): Promise<string> {
  const out = join(folder, name);
  await pretrain({ store, out, ...training, ...changes });
  return out;
}

const usual = await run("usual");

const model = (stage: string) => readFileSync(join(stage, "checkpoint", "model.safetensors"));
const rowsOf = (out: string) => readRows(join(out, "metrics.jsonl"));

/** Modalities of each stage's replay rows, with their number. */
async function replayed(out: string): Promise<Array<[number, string, number]>> {
  const rows = (await rowsOf(out)).filter((row) => row.kind === "replay");
  const counts = new Map<string, number>();
  for (const { stage, modality } of rows) {
    counts.set(`${stage} ${modality}`, (counts.get(`${stage} ${modality}`) ?? 0) + 1);
  }
  return [...counts].sort().map(([key, count]) => {
    const [stage, modality] = key.split(" ") as [string, string];
    return [Number(stage), modality, count];
  });
}

t.test("replay rows name an earlier modality, plain ones the stage's own", async (t) => {
  t.same(await replayed(usual), [
    [2, "report", 2],
    [3, "report", 2],
    [3, "xray", 2],
  ]);
  const own = ["report", "xray", "ct"];
  for (const row of await rowsOf(usual)) {
    if (row.kind !== "replay") t.equal(row.modality, own[row.stage - 1]);
  }
  for (const [at, name] of names.entries()) {
    const stage = join(usual, "stages", name);
    const buffer = await readBuffer(stage);
    t.match(buffer, { modality: own[at], stage: at + 1, method: "kmeans", seed: 0 });
    const state = JSON.parse(readFileSync(join(stage, "checkpoint", "state.json"), "utf8"));
    t.equal(buffer.checkpoint, state.files["model.safetensors"].sha256);
    t.ok(buffer.samples.length >= 1);
  }
});

t.test("buffers of less than a batch: one batch in corrected, none in published", async (t) => {
  const published = await run("published", { preset: "published" });
  t.same(await replayed(published), []);
  const kept = await run("kept", {
    preset: "published",
    sampling: { smallBuffers: "one-batch" },
  });
  t.same(await replayed(kept), await replayed(usual));
  const left = await run("left", { sampling: { smallBuffers: "left-out" } });
  t.same(await replayed(left), []);
});

t.test("larger buffers give a batch for each batch that they hold", async (t) => {
  for (const preset of ["published", "corrected"] as const) {
    const buffer = { share: 0.7, centres: 0.2 };
    const out = await run(`large-${preset}`, { preset, buffer, epochs: 3 });
    const sizes = await Promise.all(names.map((name) => readBuffer(join(out, "stages", name))));
    t.same(
      sizes.map(({ samples }) => samples.length <= 9 && samples.length >= 4),
      [true, true, true],
    );
    const each = sizes.map(({ samples }) => 3 * Math.floor(samples.length / 4));
    t.same(await replayed(out), [
      [2, "report", each[0]],
      [3, "report", each[0]],
      [3, "xray", each[1]],
    ]);
    const losses = (await rowsOf(out)).filter(({ kind }) => kind === "replay");
    t.ok(losses.every(({ loss }) => loss !== null && Number.isFinite(loss)));
  }
});

t.test("without replay the stages are those trained one by one", async (t) => {
  const plain = await run("plain", { replay: false });
  t.same(await replayed(plain), []);
  t.ok(model(join(plain, "stages", "01-report")).equals(model(join(usual, "stages", "01-report"))));
  t.notOk(model(join(plain, "stages", "02-xray")).equals(model(join(usual, "stages", "02-xray"))));
  let startFrom: string | undefined;
  for (const [at, name] of names.entries()) {
    const out = join(folder, `alone-${name}`);
    const modality = name.slice(3);
    await trainStage({ modality, data: store, stage: at + 1, out, startFrom, ...training });
    t.ok(model(out).equals(model(join(plain, "stages", name))), name);
    startFrom = out;
  }
});

t.test("stages trained one by one with buffers are those of the run", async (t) => {
  const stages = names.map((name) => join(usual, "stages", name));
  for (const at of [1, 2]) {
    const out = join(folder, `with-buffers-${at}`);
    const modality = names[at]?.slice(3) as string;
    const own = { modality, data: store, stage: at + 1, out, startFrom: stages[at - 1] };
    await trainStage({ ...own, ...training, buffers: stages.slice(0, at) });
    t.ok(model(out).equals(model(stages[at] as string)), modality);
    t.same(await readBuffer(out), await readBuffer(stages[at] as string));
  }
});

/** A batch with memory of its own; that of a loader's batches is used again. */
function copied<Batch extends Item["batch"]>(batch: Batch): Batch {
  const entries = Object.entries(batch).map(([name, value]) => {
    return [name, ArrayBuffer.isView(value) ? (value as Uint8Array).slice() : value];
  });
  return Object.fromEntries(entries) as Batch;
}

/** The second stage's items, in order from the first step or one by one from each of `steps`. */
async function items(changes: Partial<PretrainInput>, steps?: number[]) {
  await using opened = await openStore(store);
  const { training: config } = resolvePretrain({ store, out: "none", ...training, ...changes });
  const buffers = await readBuffers([join(usual, "stages", "01-report")]);
  const parts = await openBuffers({ holding: () => opened }, buffers, "xray");
  const { items: source } = datasetData(await storeParts(opened, "xray", 2), config, parts);
  const all: Item[] = [];
  const ranges = steps?.map((step) => [step, step + 1] as const) ?? [[0, source.steps] as const];
  for (const [from, to] of ranges) {
    for await (const item of source.items(from, to)) {
      all.push({ ...item, batch: copied(item.batch), waitMs: 0 });
    }
  }
  return { all, source };
}

t.test("replayed texts are whole or corrupted as the preset says", async (t) => {
  for (const text of ["clean", "corrupted"] as const) {
    const { all } = await items({ distillation: { text }, epochs: 8 });
    const texts = all.filter(({ objective }) => objective === "replay");
    t.equal(texts.length, 8);
    let predicted = 0;
    for (const { batch, modality } of texts) {
      t.equal(modality, "report");
      t.equal(batch.kind, "text");
      const labels = batch.kind === "text" ? batch.labels : undefined;
      t.equal(labels !== undefined, text === "corrupted");
      predicted += labels?.filter((label) => label !== -100).length ?? 0;
    }
    t.equal(predicted > 0, text === "corrupted");
  }
});

t.test("replay comes on top of the own records, each once an epoch", async (t) => {
  const replaying = await items({});
  const plain = await items({ sampling: { smallBuffers: "left-out" } });
  const records = ({ all, source }: typeof plain) =>
    all.filter(({ objective }) => objective === "plain").map(({ step }) => source.samplesOf(step));
  t.equal(replaying.all.length, plain.all.length + 2);
  t.same(records(replaying), records(plain));
  for (const epoch of [0, 1]) {
    const once = records(plain).slice(epoch * 3, epoch * 3 + 3);
    const numbers = once.flatMap((text) => text.replace(" of xray", "").split(", "));
    t.equal(new Set(numbers).size, 12);
  }
});

t.test("any step can be had alone", async (t) => {
  const { all } = await items({});
  const steps = [5, 0, 7, 3, 3];
  const alone = await items({}, steps);
  t.same(
    alone.all,
    steps.map((step) => all[step]),
  );
});

t.test("the teacher is the stage's start", async (t) => {
  const changes = { encoder: { dropPath: 0 } };
  const still = await run("still", {
    ...changes,
    learningRate: { peak: 1e-30 },
    optimizer: { weightDecay: 0 },
  });
  const losses = (await rowsOf(still)).filter(({ kind }) => kind === "replay");
  t.equal(losses.length, 6);
  t.ok(
    losses.every(({ loss }) => loss === 0),
    "weights that rest keep their features",
  );
  // The first step's rate is 0, so the second step still finds the weights of the start.
  for (const seed of [0, 1, 2, 3, 4, 5]) {
    const out = await run(`seed-${seed}`, { ...changes, seed, stages: ["xray", "report"] });
    for (const row of await rowsOf(out)) {
      if (row.kind === "replay") t.equal(row.loss === 0, row.step <= 2, `step ${row.step}`);
    }
  }
});
