/**
 * One stage on its own: data of the caller's or of a store in, a checkpoint out.
 */
import { join } from "node:path";
import type { Batch } from "../batch.js";
import type { PlainObject } from "../config/parse.js";
import { type Resolved, resolveStage, type Training } from "../config/resolve.js";
import type { StageInput, StageParsed } from "../config/training.js";
import type { Dataset } from "../data/dataset.js";
import { openStore } from "../data/store.js";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.js";
import { MedcossError } from "../errors.js";
import { METRICS_FILE, Recorder } from "../metrics/recorder.js";
import { readRows, rowsUpTo } from "../metrics/rows.js";
import { latestCheckpoint } from "./checkpoint.js";
import { checkDevice, prepareProcess } from "./environment.js";
import { BufferStores, commonTokenizer, openBuffers, readBuffers } from "./replay.js";
import { checkRunFolder, openRunFolder, readSummary } from "./run-folder.js";
import { runStage } from "./run-stage.js";
import {
  type DatasetParts,
  datasetData,
  type ReplayParts,
  type StageData,
  streamData,
} from "./stage-data.js";
import { checkStart, startOf } from "./start.js";
import { storeParts, vocabularyOf } from "./store-data.js";
import type { Hooks, MetricRow, StageResult } from "./types.js";

/** Configuration of one stage. */
export type StageConfig = Omit<StageInput, "data" | "validation"> & {
  /** Path of a store, records of one's own, or batches. */
  data: string | Dataset | AsyncIterable<Batch>;
  validation?: Dataset;
};

type Own = Pick<StageParsed, "modality" | "data" | "validation" | "tokenizer" | "stage" | "out">;

function isStream(data: unknown): data is AsyncIterable<Batch> {
  return typeof data === "object" && data !== null && Symbol.asyncIterator in data;
}

function isDataset(data: unknown): data is Dataset {
  return typeof (data as Dataset | undefined)?.read === "function";
}

async function ownTokenizer(own: Own, kind: string | undefined): Promise<Tokenizer | undefined> {
  if (own.tokenizer !== undefined) return loadTokenizer(own.tokenizer);
  return kind === "text" ? loadTokenizer() : undefined;
}

/** The data of a stage, and the stores to close after it. */
interface Opened {
  data: StageData;
  tokenizer?: Tokenizer;
  close(): Promise<void>;
}

/** The records of the buffers that the stage replays; `path` is the store that it trains on, if any. */
async function openReplay(
  { own, training }: Resolved<Own>,
  path?: string,
): Promise<{ parts: ReplayParts[]; close(): Promise<void> }> {
  if (!training.replay || training.buffers.length === 0) {
    return { parts: [], close: async () => {} };
  }
  const paths = [...training.bufferStore, ...(path === undefined ? [] : [path])];
  if (paths.length === 0) {
    const problem = "the buffers name records of a store, which must be given";
    throw new MedcossError("E_CONFIG", { field: "bufferStore", problem });
  }
  const buffers = await readBuffers(training.buffers);
  const stores = await BufferStores.open(paths);
  const close = () => stores[Symbol.asyncDispose]();
  try {
    return { parts: await openBuffers(stores, buffers, own.modality), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The data of datasets and of what the stage replays; `path` is the store that it trains on, if any. */
async function fromDatasets(
  parts: DatasetParts,
  tokenizer: Tokenizer | undefined,
  config: Resolved<Own>,
  path?: string,
): Promise<Opened> {
  const replay = await openReplay(config, path);
  try {
    const known = commonTokenizer(tokenizer, replay.parts);
    const data = datasetData(parts, config.training, replay.parts);
    return { data, tokenizer: known, close: replay.close };
  } catch (error) {
    await replay.close();
    throw error;
  }
}

async function fromStore(path: string, config: Resolved<Own>): Promise<Opened> {
  const store = await openStore(path);
  try {
    const parts = await storeParts(store, config.own.modality, config.own.stage);
    const opened = await fromDatasets(parts, await store.tokenizer(), config, path);
    const close = async () => {
      await store.close();
      await opened.close();
    };
    return { ...opened, close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** How often a buffer is replayed follows from the batches of an epoch, which a stream does not have. */
function refuseBuffers({ replay, buffers }: Training): void {
  if (!replay || buffers.length === 0) return;
  const problem = "a stream of batches cannot be replayed to; give a store or a Dataset";
  throw new MedcossError("E_CONFIG", { field: "buffers", problem });
}

async function openData(config: Resolved<Own>): Promise<Opened> {
  const { own, training } = config;
  const { modality, stage, data } = own;
  if (typeof data === "string") return fromStore(data, config);
  const validation = own.validation as Dataset | undefined;
  const tokenizer = await ownTokenizer(own, isDataset(data) ? data.kind : validation?.kind);
  const parts = { modality, stage, validation, tokenizer };
  if (isDataset(data)) return fromDatasets({ ...parts, train: data }, tokenizer, config);
  if (isStream(data)) {
    refuseBuffers(training);
    return { data: streamData(data, parts, training), tokenizer, close: async () => {} };
  }
  throw new MedcossError("E_CONFIG", {
    field: "data",
    problem: "expected the path of a store, a Dataset or an async iterable of batches",
  });
}

async function* train(
  config: Resolved<Own>,
  opened: Opened,
  environment: PlainObject,
  hooks: Hooks,
): AsyncGenerator<MetricRow, StageResult> {
  const { own, training, json } = config;
  const { modality, stage, out } = own;
  const { data, tokenizer } = opened;
  const options = {
    folder: out,
    tokenizer: tokenizer?.digest,
    mapPositions: training.startPositions,
  };
  const tokens = await checkStart(training.startFrom, training.model, options);
  const vocabulary = vocabularyOf(training, tokenizer, tokens.rows);
  await checkDevice(training);
  await using _lock = await openRunFolder(out, json, environment);
  const start = await startOf(training.startFrom, options);
  const from = await latestCheckpoint(out);
  const rows = from
    ? rowsUpTo(await readRows(join(out, METRICS_FILE)), stage, from.state.step)
    : [];
  await using recorder = await Recorder.open(out, rows);
  const names = { stage, modality, root: out, folder: out, configuration: json };
  return yield* runStage({
    ...names,
    tokenizer: tokenizer?.digest ?? tokens.tokenizer,
    ...{ training, data, vocabulary, start, recorder, rows, from, hooks },
  });
}

/**
 * Trains one stage and yields the rows that it logs; the summary is the generator's return value. Leaving the loop
 * early saves a checkpoint. Throws as `trainStage` does.
 */
export async function* stageSteps(
  input: StageConfig,
  hooks: Hooks = {},
): AsyncGenerator<MetricRow, StageResult> {
  const config = resolveStage(input);
  await checkRunFolder(config.own.out, config.json, config.resume);
  const finished = config.resume ? await readSummary(config.own.out) : undefined;
  if (finished) return finished;
  const opened = await openData(config);
  try {
    return yield* train(config, opened, prepareProcess(config.training), hooks);
  } finally {
    await opened.close();
  }
}

/**
 * Trains one stage and resolves to its summary. Throws E_INTERRUPTED after saving when `hooks.signal` is aborted, and
 * E_CONFIG, E_NO_STORE, E_BATCH_TOO_LARGE, E_RUN_EXISTS, E_RUN_CHANGED, E_NON_FINITE and others of the registry.
 */
export async function trainStage(input: StageConfig, hooks: Hooks = {}): Promise<StageResult> {
  const steps = stageSteps(input, hooks);
  for (;;) {
    const next = await steps.next();
    if (next.done) return next.value;
  }
}
