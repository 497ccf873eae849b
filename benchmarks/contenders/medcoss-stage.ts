/**
 * This package's worker of the end-to-end case: a stage of its own each turn, from the store to the step.
 *
 * Invariant: the clock runs from the end of one step to the end of a later one, so that data, steps and records of
 * them are in it, and start and checkpoint are not.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { models } from "../../lib/config/models.js";
import { allocateView } from "../../lib/data/dataset.js";
import { openStore, type Store } from "../../lib/data/store.js";
import { stageSteps } from "../../lib/stages/train-stage.js";
import { configureThreads } from "../../lib/trainer.js";
import { CHECKED, type StageConfiguration, WARMUP } from "../cases/stage.js";
import type { Outcome } from "../harness/variant.js";
import { type Contestant, serve } from "./serve.js";

/** Mean and mean square of the first records as they are stored. */
async function moments(store: Store, modality: string): Promise<Outcome> {
  const dataset = store.dataset(modality, "all");
  let [sum, squares, count] = [0, 0, 0];
  for (let i = 0; i < CHECKED; i++) {
    const view = allocateView(dataset.record);
    await dataset.read(i, view);
    for (const value of view.data) {
      sum += value;
      squares += value * value;
    }
    count += view.data.length;
  }
  return { mean: sum / count, square: squares / count };
}

async function seconds(configuration: StageConfiguration, store: Store): Promise<number> {
  const { modality, batch, steps, device, precision, threads } = configuration;
  const folder = mkdtempSync(join(tmpdir(), "medcoss-stage-"));
  const data = store.dataset(modality, "train");
  const options = { model: models.base(), reconstructions: 0, workers: 1 };
  try {
    let start = 0;
    const out = join(folder, "stage");
    const stage = { modality, data, out, batchSize: batch, device, precision, threads, ...options };
    for await (const row of stageSteps(stage)) {
      if (row.step === WARMUP) start = performance.now();
      if (row.step === WARMUP + steps) return (performance.now() - start) / 1000;
    }
    throw new Error(`the stage ended before ${WARMUP + steps} steps`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function make(configuration: StageConfiguration): Promise<Contestant> {
  configureThreads(configuration.threads);
  const store = await openStore(configuration.store);
  return {
    check: () => moments(store, configuration.modality),
    step: () => seconds(configuration, store),
    close: () => store.close(),
  };
}

await serve(make);
