/**
 * What a run would take, without running it: steps, time by timing a step, memory and disk.
 *
 * Invariant: nothing is written.
 */
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Batch } from "../batch.js";
import { budgetSamples } from "../config/buffer.js";
import { nativeModelSize } from "../config/models.js";
import { resolvePretrain, type Training } from "../config/resolve.js";
import { recordBytes } from "../data/dataset.js";
import { openStore } from "../data/store.js";
import { MedcossError } from "../errors.js";
import { formatBytes } from "../format.js";
import { bufferSize } from "../replay/selection.js";
import { configureThreads, type StepOptions, type Trainer } from "../trainer.js";
import { checkDevice } from "./environment.js";
import { diskBytes, memoryBytes, parameterCount } from "./estimate.js";
import { type Given, openGiven } from "./given.js";
import { itemOrder } from "./item-order.js";
import { createTrainer } from "./network.js";
import {
  type PlannedStage,
  type PretrainConfig,
  planStages,
  withRecordedStages,
} from "./pretrain.js";
import { checkRunFolder } from "./run-folder.js";
import { takeSamples } from "./samples.js";
import { replayBatchCount, replayBatches } from "./stage-data.js";
import { estimateStep } from "./time-step.js";

export interface PlannedCost {
  stage: number;
  modality: string;
  trainingSamples: number;
  /** Plain and replay steps together. */
  steps: number;
  replaySteps: number;
  /** Of a plain step. */
  secondsPerStep: number;
  seconds: number;
}

export interface DryRun {
  stages: PlannedCost[];
  parameters: number;
  seconds: number;
  memoryBytes: number;
  /** Undefined on a GPU, whose memory is not looked at. */
  memoryAvailable?: number;
  diskBytes: number;
  diskAvailable: number;
}

/** Batches of a modality that are timed in turn; texts of one may be longer than those of another. */
const TIMED_BATCHES = 3;

async function freeDisk(path: string): Promise<number> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch (error) {
      if (folder === dirname(folder)) throw error;
    }
  }
}

type Objective = StepOptions["objective"];

/** Seconds of a step on a whole batch like the given ones. */
function secondsPerStep(
  trainer: Trainer,
  batches: readonly Batch[],
  training: Training,
  objective: Objective,
): Promise<number> {
  const onDevice = training.device !== "cpu";
  let step = 0;
  const time = async (samples: number) => {
    const batch = takeSamples(batches[step % batches.length] as Batch, samples);
    const start = performance.now();
    await trainer.trainStep(batch, { stage: 1, step: step++ }, { learningRate: 0, objective });
    return (performance.now() - start) / 1000;
  };
  // A GPU is as fast on few samples as on many, and its second step of a kind records the later ones.
  return estimateStep(training.batchSize, time, { whole: onDevice, warmUp: onDevice ? 2 : 1 });
}

async function firstBatches({ data }: PlannedStage): Promise<Batch[]> {
  const batches: Batch[] = [];
  const count = Math.min(TIMED_BATCHES, data.items.steps);
  for await (const { batch } of data.items.items(0, count)) batches.push(batch);
  return batches;
}

/** Samples that a stage's buffer will hold. */
function bufferSamples({ data, parts }: PlannedStage, { buffer }: Training): number {
  const { clusters, perCluster } = bufferSize(
    data.trainingSamples ?? 0,
    buffer.share,
    buffer.centres,
  );
  const { budget } = buffer;
  const most =
    budget === undefined ? Infinity : budgetSamples(budget, recordBytes(parts.train.record));
  return Math.min(clusters * perCluster, most);
}

/** Replay steps of a stage on top of its own, for each modality that it replays. */
function replaySteps(
  planned: PlannedStage,
  samples: readonly number[],
  training: Training,
): number[] {
  const { stage, data } = planned;
  const counts = samples.map((count) => replayBatchCount(count, training));
  const own = data.items.stepsPerEpoch ?? 1;
  const order = itemOrder({ own, replayed: counts }, data.items.steps, training.seed, stage);
  return order.counts.slice(1);
}

/** What is replayed: samples of a buffer, and the seconds of a replay step. */
interface Replayed {
  samples: number;
  seconds: number;
}

/** By modality, what is replayed from the first stage on. */
async function givenReplay(
  trainer: Trainer,
  training: Training,
  { replayed }: Given,
): Promise<Map<string, Replayed>> {
  const out = new Map<string, Replayed>();
  if (!training.replay) return out;
  for (const parts of replayed) {
    const { source } = replayBatches(parts, 1, training);
    const batches = await Promise.all(
      Array.from({ length: TIMED_BATCHES }, (_, at) => source.batch(at)),
    );
    const seconds = await secondsPerStep(trainer, batches, training, "replay");
    out.set(parts.modality, { samples: parts.dataset.length, seconds });
  }
  return out;
}

async function costs(
  training: Training,
  given: Given,
  stages: readonly PlannedStage[],
): Promise<PlannedCost[]> {
  const random = { kind: "random" } as const;
  const { vocabulary } = given.network;
  await using trainer = await createTrainer(training, vocabulary, 1, random, training.replay);
  const out: PlannedCost[] = [];
  const replayed = await givenReplay(trainer, training, given);
  for (const planned of stages) {
    const { stage, modality, data } = planned;
    const others = [...replayed].flatMap(([name, each]) => (name === modality ? [] : each));
    const samples = others.map((each) => each.samples);
    const replays = replaySteps(planned, samples, training);
    const batches = await firstBatches(planned);
    const each = await secondsPerStep(trainer, batches, training, "plain");
    const onTop = replays.reduce(
      (sum, count, at) => sum + count * (others[at] as Replayed).seconds,
      0,
    );
    const replayTotal = replays.reduce((sum, count) => sum + count, 0);
    out.push({
      ...{ stage, modality, trainingSamples: data.trainingSamples ?? 0 },
      ...{ steps: data.items.steps + replayTotal, replaySteps: replayTotal },
      ...{ secondsPerStep: each, seconds: each * data.items.steps + onTop },
    });
    if (!training.replay) continue;
    const seconds = await secondsPerStep(trainer, batches, training, "replay");
    replayed.set(modality, { samples: bufferSamples(planned, training), seconds });
  }
  return out;
}

/**
 * The cost of a run. Throws as `pretrain` does before its first step, and E_NOT_ENOUGH_MEMORY or E_NOT_ENOUGH_DISK where
 * it would not fit.
 */
export async function dryRun(input: PretrainConfig): Promise<DryRun> {
  const config = await withRecordedStages(resolvePretrain(input));
  const { training, own } = config;
  await checkRunFolder(own.out, config.json, config.resume);
  await using store = await openStore(own.store);
  await checkDevice(training);
  const stages = await planStages(config, store);
  await using given = await openGiven(training, store, own.out);
  const size = nativeModelSize(training.model, given.network.vocabulary);
  const { ratio: maskRatio, words } = training.behaviour.masking;
  const teacher = training.replay && stages.length + given.replayed.length > 1;
  const bf16 = training.precision === "bf16";
  const memoryOf = (together: number) => {
    const { recompute } = training;
    const options = { together, maskRatio, words, teacher, bf16, recompute };
    return Math.max(...stages.map((each) => memoryBytes(size, each.kind, options)));
  };
  const memory = memoryOf(Math.ceil(training.batchSize / training.accumulate));
  const disk = diskBytes(size, stages.length);
  const memoryAvailable = training.device === "cpu" ? process.availableMemory() : undefined;
  const diskAvailable = await freeDisk(own.out);
  checkMemory(training.batchSize, memoryOf, memory, memoryAvailable);
  checkDisk(own.out, disk, diskAvailable);
  configureThreads(training.threads);
  const planned = await costs(training, given, stages);
  return {
    stages: planned,
    parameters: parameterCount(size),
    seconds: planned.reduce((sum, each) => sum + each.seconds, 0),
    ...{ memoryBytes: memory, memoryAvailable, diskBytes: disk, diskAvailable },
  };
}

/** Throws E_NOT_ENOUGH_MEMORY with the most samples that fit together. */
function checkMemory(
  batch: number,
  memoryOf: (together: number) => number,
  needed: number,
  available = Number.POSITIVE_INFINITY,
): void {
  if (needed <= available) return;
  let together = batch - 1;
  while (together > 0 && memoryOf(together) > available) together--;
  throw new MedcossError("E_NOT_ENOUGH_MEMORY", {
    needed: formatBytes(needed),
    available: formatBytes(available),
    together,
    batch,
  });
}

function checkDisk(path: string, needed: number, available: number): void {
  if (needed <= available) return;
  throw new MedcossError("E_NOT_ENOUGH_DISK", {
    needed: formatBytes(needed),
    available: formatBytes(available),
    path,
  });
}
