/**
 * One stage from its start or its last checkpoint to its summary.
 *
 * Invariant: `summary.json` is written last; a stage without one is gone on with, a stage with one is left alone.
 */
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import type { PlainObject } from "../config/parse.js";
import type { Training } from "../config/resolve.js";
import { fileDigest } from "../data/shard.js";
import { MedcossError } from "../errors.js";
import { writing } from "../files.js";
import type { Recorder } from "../metrics/recorder.js";
import { Tally } from "../metrics/tally.js";
import type { NativeStart } from "../native/types.js";
import { writeReconstructions } from "../pictures/index.js";
import { BUFFER_FILE } from "../replay/buffer-file.js";
import type { Trainer } from "../trainer.js";
import { type CheckpointState, MODEL_FILE, readState, saveCheckpoint } from "./checkpoint.js";
import { runLoop } from "./loop.js";
import { createTrainer } from "./network.js";
import { leaveBuffer } from "./replay.js";
import { writeSummary } from "./run-folder.js";
import type { StageData } from "./stage-data.js";
import type { Hooks, MetricRow, StageResult } from "./types.js";

export interface StagePlan {
  stage: number;
  modality: string;
  training: Training;
  data: StageData;
  /** Rows of the token table where the model leaves them to the tokenizer. */
  vocabulary: number;
  /** Digest of the tokenizer whose ids the network knows. */
  tokenizer?: string;
  /** Where the weights of the first step come from. */
  start: NativeStart;
  /** Folder of the run, which paths in the summary are relative to. */
  root: string;
  folder: string;
  /** What `state.json` records of the configuration. */
  configuration: PlainObject;
  recorder: Recorder;
  /** Rows of this stage that are kept from before. */
  rows: readonly MetricRow[];
  /** Checkpoint to go on from. */
  from?: { path: string; state: CheckpointState };
  hooks: Hooks;
}

/** Fields that say where files are on this machine. */
const places = new Set([
  ...["store", "bufferStore", "buffers", "data", "out", "startFrom", "tokenizer"],
]);

function withoutPlaces(configuration: PlainObject): PlainObject {
  return Object.fromEntries(Object.entries(configuration).filter(([key]) => !places.has(key)));
}

function stateAt(plan: StagePlan, step: number): Omit<CheckpointState, "version" | "files"> {
  return {
    stage: plan.stage,
    modality: plan.modality,
    step,
    configuration: withoutPlaces(plan.configuration),
    digests: { data: plan.data.digest, tokenizer: plan.tokenizer },
  };
}

/** Refuses to go on with other data or another tokenizer than the checkpoint's, or where a shortened stage is over. */
function checkCheckpoint({ from, data, tokenizer, root, modality }: StagePlan): void {
  const before = from?.state.digests;
  if (before?.tokenizer !== undefined && before.tokenizer !== tokenizer) {
    const values = { store: tokenizer ?? "none", checkpoint: before.tokenizer };
    throw new MedcossError("E_TOKENIZER_MISMATCH", values);
  }
  const refuse = (differences: string) => {
    throw new MedcossError("E_RUN_CHANGED", { path: root, differences });
  };
  if (before?.data !== undefined && before.data !== data.digest) {
    refuse(`the data of ${modality} are others`);
  }
  const { steps } = data.items;
  if (from && from.state.step > steps) {
    refuse(`${modality} has done ${from.state.step} steps and would now end after ${steps}`);
  }
}

async function draw(plan: StagePlan, trainer: Trainer, step: number): Promise<string[]> {
  const samples = plan.training.reconstructions;
  const batch = samples > 0 ? await plan.data.preview(samples) : undefined;
  if (!batch) return [];
  const folder = join(plan.folder, "reconstructions");
  const key = { stage: plan.stage, step };
  const { channelOrder } = plan.training.behaviour.images;
  const files = await writing(folder, () =>
    writeReconstructions(trainer, batch, key, folder, plan.data.tokenizer, {
      channelOrder,
      modality: plan.modality,
      samples,
    }),
  );
  return files.map((file) => relative(plan.root, file));
}

/** Writes the stage's buffer and gives its path; undefined for a stream, which cannot be read again. */
async function chooseBuffer(plan: StagePlan, trainer: Trainer): Promise<string | undefined> {
  const { stage, modality, training, folder, hooks } = plan;
  const { chosenFrom: from, tokenizer } = plan.data;
  if (!from) return undefined;
  const state = await readState(join(folder, "checkpoint"));
  const checkpoint = state?.files[MODEL_FILE]?.sha256 ?? "";
  const shared = { stage, modality, training, folder, hooks, tokenizer };
  try {
    await leaveBuffer(trainer, { ...shared, from, checkpoint });
  } catch (error) {
    if (!hooks.signal?.aborted) throw error;
    // The stage's checkpoint is on disk already; the buffer is begun anew when the run goes on.
    const values = { path: join(folder, "checkpoint") };
    throw new MedcossError("E_INTERRUPTED", values, { cause: hooks.signal.reason });
  }
  return relative(plan.root, join(folder, BUFFER_FILE));
}

function summarise(plan: StagePlan, tally: Tally, steps: number): StageResult {
  return {
    stage: plan.stage,
    modality: plan.modality,
    steps,
    replaySteps: steps - plan.data.items.ownSteps,
    epochs: steps / (plan.data.items.stepsPerEpoch ?? steps),
    samples: tally.samples,
    trainingLoss: tally.trainingLoss,
    replayLoss: tally.replayLoss,
    validationLoss: tally.validationLoss,
    skippedSteps: tally.skipped,
    samplesPerSecond: tally.samples / tally.seconds,
    seconds: tally.seconds,
    checkpoint: relative(plan.root, join(plan.folder, "checkpoint")),
    reconstructions: [],
  };
}

/** Trains the stage, yields the rows it logs, and returns its summary. */
export async function* runStage(plan: StagePlan): AsyncGenerator<MetricRow, StageResult> {
  checkCheckpoint(plan);
  const { stage, modality, training, data, hooks, recorder } = plan;
  const { steps } = data.items;
  const from = plan.from?.state.step ?? 0;
  await writing(plan.folder, () => mkdir(plan.folder, { recursive: true }));
  // A checkpoint replaces every weight but the teacher's, which are those of the start.
  const start: NativeStart = plan.from && !data.replays ? { kind: "random" } : plan.start;
  const { vocabulary } = plan;
  await using trainer = await createTrainer(training, vocabulary, stage, start, data.replays);
  if (plan.from) await trainer.load(plan.from.path);
  const tally = new Tally(data.batchSize);
  for (const row of plan.rows) tally.add(row);
  hooks.onStage?.({ stage, modality, steps, done: from });
  const save = (step: number) => saveCheckpoint(trainer, plan.folder, stateAt(plan, step));
  const { items, validation } = data;
  yield* runLoop({
    ...{ stage, modality, training, trainer, items, validation, recorder, tally, from, steps },
    ...{ save, hooks },
  });
  const summary = summarise(plan, tally, steps);
  summary.buffer = await chooseBuffer(plan, trainer);
  if (summary.buffer) summary.bufferDigest = await fileDigest(join(plan.root, summary.buffer));
  summary.reconstructions = await draw(plan, trainer, steps);
  await writeSummary(plan.folder, summary);
  return summary;
}
