/**
 * One thread of a loader: batches by request, each as this package's other code makes them.
 *
 * Invariant: requests are answered in their order; the store is closed when the port is told to.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Batch } from "../../batch.js";
import { MedcossError } from "../../errors.js";
import { type MemorySource, trainingBatches, validationBatches } from "../batches.js";
import type { Dataset } from "../dataset.js";
import { OpenedStore } from "../opened-store.js";
import { optionsOf } from "./plan.js";
import type { Answer, OpenedIndex, Plan, Request, StoreRecords } from "./protocol.js";

const { path, index } = workerData as OpenedIndex;
const store = new OpenedStore(path, index, "blocking");
const sources = new Map<number, MemorySource>();

function datasetOf(records: StoreRecords): Dataset {
  const { modality } = records;
  return "part" in records
    ? store.dataset(modality, records.part)
    : store.records(modality, records.numbers);
}

function sourceOf(plan: Plan): MemorySource {
  const make = plan.use === "training" ? trainingBatches : validationBatches;
  return make(datasetOf(plan.records), optionsOf(plan));
}

async function batchOf({ plan, described, step, ordinal, memory }: Request): Promise<Batch> {
  if (described) sources.set(plan, sourceOf(described));
  return (sources.get(plan) as MemorySource).batch(step, ordinal, memory);
}

async function answer(request: Request): Promise<Answer> {
  try {
    return { batch: await batchOf(request) };
  } catch (error) {
    if (!(error instanceof MedcossError)) return { message: String(error) };
    const { code, values } = error;
    return { code, values };
  }
}

parentPort?.on("message", async (request: Request | "close") => {
  if (request !== "close") return parentPort?.postMessage(await answer(request));
  await store.close();
  parentPort?.close();
});
