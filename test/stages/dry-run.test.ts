import { existsSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { PretrainInput } from "../../lib/config/training.js";
import { dryRun } from "../../lib/stages/dry-run.js";
import { pretrain } from "../../lib/stages/pretrain.js";
import { microStore, microTraining } from "../helpers/micro.js";

const training = { ...microTraining, reconstructions: 0 };
const folder = t.testdir();
const store = await microStore(folder);
const first = join(folder, "first");
await pretrain({ store, out: first, ...training, stages: ["report", "ct"] });

const runs: Record<string, Partial<PretrainInput>> = {
  "buffers of one sample": {},
  "whole epochs": { epochs: 5, buffer: { share: 0.5, centres: 0.05 } },
  "a last epoch cut short": { epochs: 50, maxSteps: 5 },
  "small buffers left out": { preset: "published" },
  "a budget": { buffer: { share: 1, centres: 0.05, budget: 5 } },
  "no replay": { replay: false, buffers: [first] },
  "buffers given": { startFrom: first, buffers: [first], stages: ["xray", "ct"] },
};

for (const [name, changes] of Object.entries(runs)) {
  t.test(`steps are those of the run: ${name}`, async (t) => {
    const out = join(folder, name);
    const config: PretrainInput = { store, out, ...training, ...changes };
    const plan = await dryRun(config);
    t.notOk(existsSync(out));
    const { stages } = await pretrain(config);
    t.same(
      plan.stages.map(({ stage, modality, steps, replaySteps }) => [
        ...[stage, modality, steps, replaySteps],
      ]),
      stages.map(({ stage, modality, steps, replaySteps }) => [
        ...[stage, modality, steps, replaySteps],
      ]),
    );
    for (const { seconds, secondsPerStep, steps, replaySteps } of plan.stages) {
      t.ok(secondsPerStep > 0);
      const plain = secondsPerStep * (steps - replaySteps);
      t.ok(replaySteps > 0 ? seconds > plain : Math.abs(seconds - plain) < 1e-9);
    }
  });
}

t.test("what a run refuses, a dry run refuses", async (t) => {
  const config: PretrainInput = { store, out: join(folder, "refused"), ...training };
  for (const [changes, code] of [
    [{ buffers: [join(folder, "none")] }, "E_NO_BUFFER"],
    [{ buffers: [first, first] }, "E_CONFIG"],
    [{ bufferStore: join(folder, "none") }, "E_NO_STORE"],
    [{ startFrom: join(folder, "none") }, "E_NO_CHECKPOINT"],
    [{ out: first }, "E_RUN_EXISTS"],
    [{ device: "cuda:99", batchSize: 1000 }, "E_NO_CUDA"],
  ] as const) {
    await t.rejects(dryRun({ ...config, ...changes } as PretrainInput), { code });
    await t.rejects(pretrain({ ...config, ...changes } as PretrainInput), { code });
  }
});
