/**
 * A run: its stages one after another, each starting from the encoder and embeddings of the one before.
 *
 * Invariant: a stage begins only after the checkpoint and the summary of the one before are on disk.
 */
import { join } from "node:path";
import type { InputKind } from "../batch.js";
import type { PlainObject } from "../config/parse.js";
import { type Resolved, resolvePretrain, type Training } from "../config/resolve.js";
import type { PretrainInput, PretrainParsed } from "../config/training.js";
import { openStore, type Store } from "../data/store.js";
import type { MedcossError } from "../errors.js";
import { METRICS_FILE, Recorder } from "../metrics/recorder.js";
import { readRows, rowsUpTo } from "../metrics/rows.js";
import type { NativeStart } from "../native/types.js";
import { type CheckpointState, latestCheckpoint, MODEL_FILE } from "./checkpoint.js";
import { checkDevice, prepareProcess } from "./environment.js";
import { type Given, openGiven } from "./given.js";
import { openBuffers, readBuffers } from "./replay.js";
import {
  checkRunFolder,
  isFinished,
  openRunFolder,
  readSummary,
  recordedConfig,
  stageFolder,
  writeFinal,
} from "./run-folder.js";
import { runStage, type StagePlan } from "./run-stage.js";
import { checkBatchSize, type DatasetParts, datasetData, type StageData } from "./stage-data.js";
import { carryOver, startOf } from "./start.js";
import { defaultStages, refuseOtherStore, storeParts } from "./store-data.js";
import type { Hooks, MetricRow, RunResult, StageResult } from "./types.js";

export type PretrainConfig = PretrainInput;

type Config = Resolved<Pick<PretrainParsed, "store" | "out" | "stages">>;

/** A stage of the run before its network is built. */
export interface PlannedStage {
  stage: number;
  modality: string;
  kind: InputKind;
  folder: string;
  parts: DatasetParts;
  /** Without replay, as buffers come with the stages before. */
  data: StageData;
}

/** All stages of a configuration with their data; throws before anything is trained if one does not fit. */
export async function planStages(config: Config, store: Store): Promise<PlannedStage[]> {
  const names = config.own.stages ?? defaultStages(store.modalities);
  const all: DatasetParts[] = [];
  for (const [index, modality] of names.entries()) {
    all.push(await storeParts(store, modality, index + 1));
  }
  checkBatchSize(config.training.batchSize, all);
  return all.map((parts) => {
    const { stage, modality, train } = parts;
    const folder = join(config.own.out, stageFolder(stage, modality));
    const data = datasetData(parts, config.training);
    return { stage, modality, kind: train.kind, parts, data, folder };
  });
}

/** How far an earlier process got. */
interface Earlier {
  results: StageResult[];
  /** Checkpoint of the stage that comes next, if it has one. */
  from?: { path: string; state: CheckpointState };
}

async function readEarlier(stages: readonly PlannedStage[]): Promise<Earlier> {
  const results: StageResult[] = [];
  for (const { folder } of stages) {
    const result = await readSummary(folder);
    if (!result) return { results, from: await latestCheckpoint(folder) };
    results.push(result);
  }
  return { results };
}

async function keptRows(out: string, earlier: Earlier): Promise<MetricRow[]> {
  const rows = await readRows(join(out, METRICS_FILE));
  return rowsUpTo(rows, earlier.results.length + 1, earlier.from?.state.step ?? -1);
}

/** What all stages of a run share. */
type Shared = Pick<
  StagePlan,
  "training" | "vocabulary" | "tokenizer" | "root" | "configuration" | "recorder" | "hooks"
>;

/** Buffers that the caller gave, and the records of those of the stages so far. */
interface Replayable {
  given: Pick<Given, "buffers" | "stores">;
  store: Store;
}

/** A stage's data with the buffers of all modalities before it. */
async function withReplay(
  planned: PlannedStage,
  before: readonly PlannedStage[],
  training: Training,
  { given, store }: Replayable,
): Promise<StageData> {
  if (!training.replay) return planned.data;
  const own = await readBuffers(before.map(({ folder }) => folder));
  const fresh = new Set([planned.modality, ...own.map(({ modality }) => modality)]);
  const kept = given.buffers.filter(({ modality }) => !fresh.has(modality));
  const replayed = [
    ...(await openBuffers(given.stores, kept, planned.modality)),
    ...(await openBuffers({ holding: () => store }, own, planned.modality)),
  ];
  return datasetData(planned.parts, training, replayed);
}

async function* runStages(
  shared: Shared,
  stages: readonly PlannedStage[],
  earlier: Earlier,
  rows: readonly MetricRow[],
  first: NativeStart,
  replayable: Replayable,
): AsyncGenerator<MetricRow, StageResult[]> {
  const results = [...earlier.results];
  for (const planned of stages.slice(results.length)) {
    const before = stages.slice(0, planned.stage - 1);
    const last = before.at(-1);
    const start = last ? carryOver(join(last.folder, "checkpoint", MODEL_FILE)) : first;
    const data = await withReplay(planned, before, shared.training, replayable);
    const next = results.length === earlier.results.length;
    const own = next ? rows.filter((row) => row.stage === planned.stage) : [];
    const from = next ? earlier.from : undefined;
    results.push(yield* runStage({ ...shared, ...planned, data, start, rows: own, from }));
  }
  return results;
}

async function* run(
  config: Config,
  store: Store,
  hooks: Hooks,
): AsyncGenerator<MetricRow, RunResult> {
  const { training, json } = config;
  const { out } = config.own;
  await checkDevice(training);
  const stages = await planStages(config, store);
  await refuseOtherStore(out, store, stages);
  await using given = await openGiven(training, store, out);
  const configuration: PlainObject = { ...json, stages: stages.map((stage) => stage.modality) };
  await using _lock = await openRunFolder(out, configuration, prepareProcess(training));
  const start = await startOf(training.startFrom, given.start);
  const earlier = await readEarlier(stages);
  const rows = await keptRows(out, earlier);
  await using recorder = await Recorder.open(out, rows);
  const shared = { training, ...given.network, root: out, configuration, recorder, hooks };
  const results = yield* runStages(shared, stages, earlier, rows, start, { given, store });
  const last = stages[stages.length - 1] as PlannedStage;
  await writeFinal(out, join(last.folder, "checkpoint"));
  return { out, stages: results, alreadyFinished: false };
}

/** With `resume`, the stages that the run was begun with unless the caller names others. */
export async function withRecordedStages(config: Config): Promise<Config> {
  if (!config.resume || config.own.stages) return config;
  const stages = (await recordedConfig(config.own.out))?.stages as string[] | undefined;
  if (!stages) return config;
  return { ...config, own: { ...config.own, stages }, json: { ...config.json, stages } };
}

/** The store at `path`; undefined where there is none any more. */
async function openIfThere(path: string): Promise<Store | undefined> {
  return openStore(path).catch((error: MedcossError) => {
    if (error.code === "E_NO_STORE") return undefined;
    throw error;
  });
}

/** The result of a run that is finished. It reads no data, but a store that is there must be the run's. */
async function finishedRun({ own }: Config, names: readonly string[]): Promise<RunResult> {
  const { out } = own;
  const stages = names.map((modality, index) => {
    return { modality, folder: join(out, stageFolder(index + 1, modality)) };
  });
  await using store = await openIfThere(own.store);
  if (store) await refuseOtherStore(out, store, stages);
  const results = await Promise.all(stages.map(({ folder }) => readSummary(folder)));
  return { out, stages: results.filter((stage) => stage !== undefined), alreadyFinished: true };
}

/**
 * Runs all stages and yields the rows that they log; the result is the generator's return value. Leaving the loop early
 * saves a checkpoint. Throws as `pretrain` does.
 */
export async function* pretrainSteps(
  input: PretrainConfig,
  hooks: Hooks = {},
): AsyncGenerator<MetricRow, RunResult> {
  const config = await withRecordedStages(resolvePretrain(input));
  const { out, stages } = config.own;
  await checkRunFolder(out, config.json, config.resume);
  if (config.resume && stages && (await isFinished(out))) return finishedRun(config, stages);
  await using store = await openStore(config.own.store);
  return yield* run(config, store, hooks);
}

/**
 * Pre-trains over the stages and resolves to their summaries. Throws E_INTERRUPTED after saving when `hooks.signal` is
 * aborted, and E_CONFIG, E_NO_STORE, E_NO_MODALITY, E_BATCH_TOO_LARGE, E_RUN_EXISTS, E_RUN_CHANGED, E_RUN_LOCKED,
 * E_NON_FINITE, E_DISK_FULL and others of the registry.
 */
export async function pretrain(input: PretrainConfig, hooks: Hooks = {}): Promise<RunResult> {
  const steps = pretrainSteps(input, hooks);
  for (;;) {
    const next = await steps.next();
    if (next.done) return next.value;
  }
}
