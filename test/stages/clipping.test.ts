/** A run with a limit of gradients: it is recorded, holds in every step and after an interruption, and may not change. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readRows } from "../../lib/metrics/rows.js";
import { readTensors } from "../../lib/safetensors.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { trainStage } from "../../lib/stages/train-stage.js";
import { microStore, microTraining } from "../helpers/micro.js";

const LIMIT = 1e-3;
const folder = t.testdir();
const store = await microStore(folder);
const training = { ...microTraining, reconstructions: 0 };
const optimizer = { maxGradientNorm: LIMIT };
const stages = ["ct"];
const weights = (out: string) => readFileSync(join(out, "final", "model.safetensors"));

/** 2-norm of the first moments that a stage left. */
async function momentsOf(stage: string): Promise<number> {
  const moments = await readTensors(join(stage, "checkpoint", "optimizer.safetensors"));
  let squares = 0;
  for (const [name, { data }] of moments) {
    if (!name.endsWith(".exp_avg")) continue;
    for (const value of data as Float32Array) squares += value ** 2;
  }
  return Math.sqrt(squares);
}

t.test("pretrain() takes it, and goes on with it alone", async (t) => {
  const config = { store, ...training, stages, optimizer };
  const out = join(folder, "straight");
  await pretrain({ ...config, out });
  const recorded = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
  t.equal(recorded.optimizer.maxGradientNorm, LIMIT);
  const rows = (await readRows(join(out, "metrics.jsonl"))).filter(({ kind }) => kind === "plain");
  t.ok(rows.length > 3);
  for (const row of rows) t.ok((row.gradientNorm as number) > 2 * LIMIT, `${row.gradientNorm}`);
  // A mean of gradients, which are no longer than the limit.
  const norm = await momentsOf(join(out, "stages", "01-ct"));
  t.ok(norm > LIMIT / 100 && norm < LIMIT * (1 + 1e-5), `${norm}`);

  const resumed = { ...config, out: join(folder, "resumed") };
  const stop = new AbortController();
  await t.rejects(
    pretrain(resumed, { signal: stop.signal, onStep: ({ step }) => step === 3 && stop.abort() }),
    { code: "E_INTERRUPTED" },
  );
  for (const [change, told] of [
    [{ maxGradientNorm: 1 }, "optimizer.maxGradientNorm: 0.001 -> 1"],
    [{}, "optimizer.maxGradientNorm: 0.001 -> unset"],
  ] as const) {
    await t.rejects(pretrain({ ...resumed, optimizer: change, resume: true }), {
      code: "E_RUN_CHANGED",
      message: `another configuration: ${told}`,
    });
  }
  await pretrain({ ...resumed, resume: true });
  t.ok(weights(resumed.out).equals(weights(out)), "as without the interruption");

  const free = join(folder, "free");
  await pretrain({ ...config, out: free, optimizer: {} });
  t.notOk(weights(free).equals(weights(out)), "other weights without a limit");
  t.ok((await momentsOf(join(free, "stages", "01-ct"))) > 2 * LIMIT);
});

t.test("trainStage() takes it", async (t) => {
  const out = join(folder, "stage");
  await trainStage({ modality: "ct", data: store, out, ...training, optimizer });
  const norm = await momentsOf(out);
  t.ok(norm > LIMIT / 100 && norm < LIMIT * (1 + 1e-5), `${norm}`);
});
