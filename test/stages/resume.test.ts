import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { learningRateAt } from "../../lib/config/schedule.js";
import { readRows } from "../../lib/metrics/rows.js";
import { pretrain, pretrainSteps } from "../../lib/stages/pretrain.js";
import type { BufferProgress, MetricRow } from "../../lib/stages/types.js";
import { microStore, microTraining } from "../helpers/micro.js";

const training = { ...microTraining, reconstructions: 0 };

const weights = (out: string, stage = "final") =>
  readFileSync(join(out, stage, "model.safetensors")).toString("base64");

const names = ["01-report", "02-xray", "03-ct"];

/** The step of a stage's checkpoint. */
function savedStep(out: string, stage: number): number {
  const folder = join(out, "stages", names[stage - 1] as string, "checkpoint");
  return JSON.parse(readFileSync(join(folder, "state.json"), "utf8")).step;
}

/** What a row says apart from time. */
async function losses(out: string): Promise<unknown[]> {
  const rows = await readRows(join(out, "metrics.jsonl"));
  return rows.map(({ stage, kind, epoch, step, loss, lr, gradientNorm }) => [
    ...[stage, kind, epoch, step, loss, lr, gradientNorm],
  ]);
}

t.test("a run stopped anywhere and resumed ends with the same bits", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const whole = join(folder, "whole");
  await pretrain({ store, out: whole, ...training });
  const rows = await readRows(join(whole, "metrics.jsonl"));
  const replay = rows.findIndex((row) => row.stage === 3 && row.kind === "replay");
  t.equal(rows.length, 28);
  for (const stopAfter of [0, 1, 4, 9, 13, 15, 19, replay, 27]) {
    const out = join(folder, `stopped-${stopAfter}`);
    const stop = new AbortController();
    let seen = 0;
    const onStep = () => {
      if (++seen > stopAfter) stop.abort();
    };
    await t.rejects(pretrain({ store, out, ...training }, { signal: stop.signal, onStep }), {
      code: "E_INTERRUPTED",
      exitCode: 130,
    });
    const last = rows[stopAfter] as MetricRow;
    t.equal(savedStep(out, last.stage), last.step, "saved within the step");
    const result = await pretrain({ store, out, ...training, resume: true });
    t.equal(weights(out), weights(whole), `stopped after ${stopAfter} rows`);
    t.same(await losses(out), await losses(whole));
    t.equal(result.stages.length, 3);
    t.same(
      result.stages.map((stage) => stage.trainingLoss),
      (await pretrain({ store, out: whole, ...training, resume: true })).stages.map(
        (stage) => stage.trainingLoss,
      ),
    );
  }
});

t.test("a run stopped while a buffer is chosen chooses it anew", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const changes = { buffer: { share: 0.6, centres: 0.3 } };
  const whole = join(folder, "whole");
  await pretrain({ store, out: whole, ...training, ...changes });
  for (const phase of ["features", "selection"]) {
    const out = join(folder, phase);
    const stop = new AbortController();
    const onBuffer = (progress: BufferProgress) => {
      if (progress.stage === 2 && progress.phase === phase) stop.abort();
    };
    const config = { store, out, ...training, ...changes };
    const error = await pretrain(config, { signal: stop.signal, onBuffer }).catch((e) => e);
    t.match(error, { code: "E_INTERRUPTED", exitCode: 130 });
    t.match(error.message, join("02-xray", "checkpoint"));
    const stage = join(out, "stages", "02-xray");
    t.same(readdirSync(stage), ["checkpoint"]);
    t.equal(savedStep(out, 2), (await readRows(join(out, "metrics.jsonl"))).at(-1)?.step);
    await pretrain({ ...config, resume: true });
    t.equal(weights(out), weights(whole));
    t.same(await losses(out), await losses(whole));
    for (const name of readdirSync(join(out, "stages"))) {
      const [found, expected] = [out, whole].map((run) =>
        readFileSync(join(run, "stages", name, "buffer.json"), "utf8"),
      );
      t.equal(found, expected, name);
    }
  }
});

t.test("leaving the loop early saves, too", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  for await (const row of pretrainSteps({ store, out, ...training })) if (row.step === 2) break;
  const state = join(out, "stages", "01-report", "checkpoint", "state.json");
  t.equal(JSON.parse(readFileSync(state, "utf8")).step, 2);
  t.notOk(readdirSync(out).includes("lock"));
});

t.test("rows after the checkpoint are cut", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const [whole, out] = [join(folder, "whole"), join(folder, "run")];
  const config = { store, ...training, checkpoint: { steps: 2 }, stages: ["xray"] };
  await pretrain({ ...config, out: whole });
  cpSync(whole, out, { recursive: true });
  rmSync(join(out, "final"), { recursive: true });
  rmSync(join(out, "stages", "01-xray", "summary.json"));
  rmSync(join(out, "stages", "01-xray", "checkpoint"), { recursive: true });
  const result = await pretrain({ ...config, out, resume: true });
  t.equal(weights(out), weights(whole));
  t.same(await losses(out), await losses(whole));
  t.equal(result.alreadyFinished, false);
});

t.test("an empty folder or one without a checkpoint starts", async (t) => {
  const folder = t.testdir({ run: {} });
  const store = await microStore(folder);
  const config = { store, out: join(folder, "run"), ...training, stages: ["ct"], resume: true };
  await pretrain(config);
  const first = weights(config.out);
  rmSync(join(config.out, "stages"), { recursive: true });
  rmSync(join(config.out, "final"), { recursive: true });
  await pretrain(config);
  t.equal(weights(config.out), first);
});

t.test("a finished run is left as it is, without its store and options", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const config = { store, out: join(folder, "run"), ...training, stages: ["ct"] };
  await pretrain(config);
  const names = readdirSync(config.out);
  const before = names.map((name) => statSync(join(config.out, name)).mtimeMs);
  rmSync(store, { recursive: true });
  const { stages: _, ...rest } = config;
  const result = await pretrain({ ...rest, resume: true });
  t.equal(result.alreadyFinished, true);
  t.equal(result.stages[0]?.modality, "ct");
  t.same(readdirSync(config.out), names);
  t.same(
    names.map((name) => statSync(join(config.out, name)).mtimeMs),
    before,
  );
});

t.test("another configuration or other data are refused", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const config = { store, out: join(folder, "run"), ...training, stages: ["ct"] };
  const stop = new AbortController();
  const hooks = { signal: stop.signal, onStep: () => stop.abort() };
  await t.rejects(pretrain(config, hooks), { code: "E_INTERRUPTED" });
  await t.rejects(pretrain({ ...config, seed: 1, epochs: 3, resume: true }), {
    code: "E_RUN_CHANGED",
    message: /another configuration: seed: 0 -> 1$/,
    exitCode: 2,
  });
  await t.rejects(pretrain({ ...config, preset: "published", resume: true }), {
    code: "E_RUN_CHANGED",
    message: /and \d+ more/,
  });
  await t.rejects(pretrain(config), { code: "E_RUN_EXISTS", exitCode: 2 });
  const index = join(store, "index.json");
  const text = readFileSync(index, "utf8");
  writeFileSync(index, text.replaceAll("0".repeat(64), "1".repeat(64)));
  await t.rejects(pretrain({ ...config, resume: true }), { code: "E_RUN_CHANGED" });
  writeFileSync(index, text);
  await pretrain({ ...config, resume: true, threads: 2, checkpoint: { steps: 1 } });
});

t.test("a folder that holds no run is refused, an empty one begins it", async (t) => {
  const folder = t.testdir({
    notes: { "note.txt": "mine" },
    killed: { ".config.json.7.tmp": "{" },
  });
  const store = await microStore(folder);
  const config = { store, ...training, stages: ["ct"], resume: true };
  const out = join(folder, "notes");
  await t.rejects(pretrain({ ...config, out }), {
    code: "E_RUN_EXISTS",
    message: `The folder ${out} is not empty and holds no run`,
    exitCode: 2,
  });
  t.same(readdirSync(out), ["note.txt"]);
  for (const name of ["killed", "missing"]) {
    t.match(await pretrain({ ...config, out: join(folder, name) }), { alreadyFinished: false });
  }
});

t.test("a finished run wants its own store, or none", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  const config = { store, out, ...training, stages: ["ct"] };
  await pretrain(config);
  const again = { ...config, resume: true };
  const other = await microStore(folder, ["xray"], "other");
  await t.rejects(pretrain({ ...again, store: other }), { code: "E_NO_MODALITY" });
  const alike = await microStore(folder, ["xray", "ct"], "alike");
  t.match(await pretrain({ ...again, store: alike }), { alreadyFinished: true });
  const index = join(alike, "index.json");
  const text = readFileSync(index, "utf8");
  writeFileSync(index, text.replaceAll("0".repeat(64), "1".repeat(64)));
  await t.rejects(pretrain({ ...again, store: alike }), {
    code: "E_RUN_CHANGED",
    message: /the data of ct are others$/,
  });
  writeFileSync(index, "{");
  await t.rejects(pretrain({ ...again, store: alike }), { code: "E_STORE_CORRUPT" });
  rmSync(alike, { recursive: true });
  t.match(await pretrain({ ...again, store: alike }), { alreadyFinished: true });
});

t.test("a run can be made longer or shorter while it is not finished", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  const config = { store, out, ...training };
  const stop = new AbortController();
  const hooks = {
    signal: stop.signal,
    onStep: (row: MetricRow) => row.stage === 2 && row.step === 5 && stop.abort(),
  };
  await t.rejects(pretrain(config, hooks), { code: "E_INTERRUPTED" });
  const again = join(folder, "again");
  cpSync(out, again, { recursive: true });
  await t.rejects(pretrain({ ...config, epochs: 1, resume: true }), {
    code: "E_RUN_CHANGED",
    message: /xray has done 5 steps and would now end after 4/,
  });
  const longer = { ...config, epochs: 3, resume: true };
  const { stages } = await pretrain(longer);
  t.same(
    stages.map(({ epochs, steps }) => [epochs, steps]),
    [
      [2, 6],
      [3, 12],
      [3, 12],
    ],
  );
  t.equal(JSON.parse(readFileSync(join(out, "config.json"), "utf8")).epochs, 3);
  for (const row of await readRows(join(out, "metrics.jsonl"))) {
    if (row.stage !== 2 || row.kind === "validation") continue;
    const horizon = row.step <= 5 ? 8 : 12;
    t.equal(row.lr, learningRateAt(row.step - 1, { horizon, peak: 1e-3, warmup: 40 / 300 }));
  }
  await pretrain({ ...longer, out: again });
  t.equal(weights(again), weights(out), "a function of the checkpoint and the new length");
  await t.rejects(pretrain({ ...config, resume: true }), {
    code: "E_RUN_CHANGED",
    message: /epochs: 3 -> 2$/,
  });
});

t.test("a damaged checkpoint is refused; without it the one before serves", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const config = { store, out: join(folder, "run"), ...training, stages: ["xray"] };
  const stop = new AbortController();
  const hooks = {
    signal: stop.signal,
    onStep: (row: { step: number }) => row.step === 4 && stop.abort(),
  };
  const run = { ...config, checkpoint: { steps: 3 } };
  await t.rejects(pretrain(run, hooks), { code: "E_INTERRUPTED" });
  const stage = join(config.out, "stages", "01-xray");
  writeFileSync(join(stage, "checkpoint", "model.safetensors"), "torn");
  await t.rejects(pretrain({ ...run, resume: true }), { code: "E_CHECKPOINT_CORRUPT" });
  rmSync(join(stage, "checkpoint"), { recursive: true });
  await pretrain({ ...run, resume: true });
  const whole = join(folder, "whole");
  await pretrain({ ...run, out: whole });
  t.equal(weights(config.out), weights(whole));
});
