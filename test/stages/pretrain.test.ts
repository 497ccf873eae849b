import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readRows } from "../../lib/metrics/rows.js";
import { pretrain, pretrainSteps } from "../../lib/stages/pretrain.js";
import type { EpochRow, MetricRow, StageStart } from "../../lib/stages/types.js";
import { microStore, microTraining } from "../helpers/micro.js";

t.test("a run over all stages leaves its folder as documented", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  const steps: MetricRow[] = [];
  const epochs: EpochRow[] = [];
  const stages: StageStart[] = [];
  const result = await pretrain(
    { store, out, ...microTraining, checkpoint: { steps: 2 } },
    {
      onStep: (row) => steps.push(row),
      onEpoch: (row) => epochs.push(row),
      onStage: (start) => stages.push(start),
    },
  );
  t.same(
    readdirSync(out)
      .filter((name) => !name.startsWith("events."))
      .sort(),
    ["config.json", "environment.json", "final", "metrics.jsonl", "stages"],
  );
  t.same(readdirSync(join(out, "stages")), ["01-report", "02-xray", "03-ct"]);
  t.same(readdirSync(join(out, "stages", "02-xray")).sort(), [
    "buffer.json",
    "checkpoint",
    "checkpoint.previous",
    "reconstructions",
    "summary.json",
  ]);
  t.match(readdirSync(join(out, "stages", "02-xray", "reconstructions")), [/\.png$/]);
  t.same(readFileSync(join(out, "final", "model.safetensors")), modelOf(out, "03-ct"));
  const rows = await readRows(join(out, "metrics.jsonl"));
  t.same(rows, steps);
  t.same(Object.keys(rows[0] as object), [
    "time",
    "stage",
    "modality",
    "kind",
    "epoch",
    "step",
    "loss",
    "lr",
    "samplesPerSecond",
    "gradientNorm",
    "waitMs",
  ]);
  const second = rows.filter((row) => row.stage === 2);
  t.same(
    second.map((row) => [row.kind === "validation" ? "validation" : "step", row.epoch, row.step]),
    [
      ["validation", 0, 0],
      ...[1, 2, 3, 4].map((step) => ["step", 1, step]),
      ["validation", 1, 4],
      ...[5, 6, 7, 8].map((step) => ["step", 2, step]),
      ["validation", 2, 8],
    ],
  );
  t.same(
    second.filter((row) => row.kind === "replay").map((row) => [row.modality, row.epoch]),
    [
      ["report", 1],
      ["report", 2],
    ],
  );
  t.same(
    stages.map(({ modality, steps, done }) => [modality, steps, done]),
    [
      ["report", 6, 0],
      ["xray", 8, 0],
      ["ct", 8, 0],
    ],
  );
  t.same(
    epochs.map(({ stage, epoch }) => [stage, epoch]),
    [
      [1, 1],
      [1, 2],
      [2, 1],
      [2, 2],
      [3, 1],
      [3, 2],
    ],
  );
  t.ok(epochs[0]?.validationLoss);
  t.equal(epochs[5]?.validationLoss, undefined);
  t.same(
    result.stages.map((stage) => JSON.parse(JSON.stringify(stage))),
    ["01-report", "02-xray", "03-ct"].map((name) =>
      JSON.parse(readFileSync(join(out, "stages", name, "summary.json"), "utf8")),
    ),
  );
  t.match(result.stages[1], {
    ...{ steps: 8, replaySteps: 2, samples: 32, epochs: 2, skippedSteps: 0 },
    buffer: join("stages", "02-xray", "buffer.json"),
  });
  t.equal(result.stages[2]?.validationLoss, undefined, "ct has no validation share");
});

function modelOf(out: string, stage: string): Buffer {
  return readFileSync(join(out, "stages", stage, "checkpoint", "model.safetensors"));
}

t.test("stages in any order; no path or host in what a checkpoint says", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  await pretrain({ store, out, ...microTraining, maxSteps: 2, stages: ["ct", "report"] });
  t.same(readdirSync(join(out, "stages")), ["01-ct", "02-report"]);
  const state = readFileSync(join(out, "stages", "01-ct", "checkpoint", "state.json"), "utf8");
  t.notOk(state.includes(folder));
  t.match(JSON.parse(state), { stage: 1, modality: "ct", step: 2, configuration: { seed: 0 } });
  const model = modelOf(out, "01-ct").toString("latin1");
  t.notOk(model.includes(folder));
});

t.test("a run is a function of its seed", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const model = async (name: string, seed: number) => {
    const out = join(folder, name);
    await pretrain({ store, out, ...microTraining, seed, stages: ["xray"], reconstructions: 0 });
    t.notOk(existsSync(join(out, "stages", "01-xray", "reconstructions")));
    return modelOf(out, "01-xray");
  };
  const first = await model("a", 1);
  t.ok(first.equals(await model("b", 1)));
  t.notOk(first.equals(await model("c", 2)));
});

t.test("rows can be had one by one", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const out = join(folder, "run");
  const kinds: string[] = [];
  const config = { store, out, ...microTraining, stages: ["xray"], logEvery: 3, validateEvery: 2 };
  for await (const row of pretrainSteps(config)) kinds.push(`${row.kind} ${row.step}`);
  t.same(kinds, [
    "validation 0",
    "validation 2",
    "plain 3",
    "validation 4",
    "plain 6",
    "validation 6",
  ]);
});

t.test("weights are carried over from stage to stage and from a start", async (t) => {
  const folder = t.testdir();
  const store = await microStore(folder);
  const first = join(folder, "first");
  await pretrain({ store, out: first, ...microTraining, stages: ["xray"] });
  const zero = { learningRate: { peak: 1e-30 }, optimizer: { weightDecay: 0 } };
  const out = join(folder, "second");
  await pretrain({
    store,
    out,
    ...microTraining,
    ...zero,
    stages: ["ct", "xray"],
    startFrom: first,
  });
  const { readTensors } = await import("../../lib/safetensors.js");
  const file = (run: string, stage: string) =>
    join(run, "stages", stage, "checkpoint", "model.safetensors");
  const [start, ct, xray] = await Promise.all(
    [file(first, "01-xray"), file(out, "01-ct"), file(out, "02-xray")].map((path) =>
      readTensors(path),
    ),
  );
  const encoder = "fused_encoder.layers.0.linear1.weight";
  t.same(ct?.get(encoder)?.data, start?.get(encoder)?.data);
  t.same(xray?.get(encoder)?.data, start?.get(encoder)?.data);
  t.notSame(ct?.get("decoder_embed.weight")?.data, start?.get("decoder_embed.weight")?.data);
});
