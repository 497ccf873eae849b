/**
 * From a parsed configuration to one in which everything is settled.
 *
 * Invariant: resolving a resolved configuration gives it back, so a run's `config.json` serves as `--config` again.
 */
import { type Behaviour, behaviourOverrides } from "./behaviour.js";
import type { BufferOptions } from "./buffer.js";
import { type ModelName, type ModelSize, modelNames, models } from "./models.js";
import { merge, type PlainObject, parseConfig } from "./parse.js";
import { presets } from "./presets.js";
import { physicalCores } from "./threads.js";
import {
  type PretrainInput,
  type PretrainParsed,
  pretrainSchema,
  type StageInput,
  type StageParsed,
  stageSchema,
} from "./training.js";

/** Defaults that depend on the size of the network. */
const tinyDefaults = { batchSize: 8, peak: 1e-3 };
const PUBLISHED_BATCH = 128;

type Parsed = Omit<PretrainParsed, "store" | "out" | "stages">;

/** What a stage trains with; `behaviour` is the preset with its overrides. */
export interface Training {
  model: ModelSize;
  behaviour: Behaviour;
  epochs: number;
  maxSteps?: number;
  batchSize: number;
  accumulate: number;
  recompute: boolean;
  learningRate: { peak: number; warmup: number };
  device: string;
  precision: "fp32" | "bf16";
  graphs: boolean;
  threads: number;
  workers: number;
  seed: number;
  startFrom?: string;
  startPositions: boolean;
  replay: boolean;
  buffers: string[];
  bufferStore: string[];
  buffer: BufferOptions;
  logEvery: number;
  validateEvery?: number;
  checkpoint: { minutes: number; steps?: number };
  reconstructions: number;
  nonFiniteLimit: number;
}

/** A configuration with everything settled: to train with, and as JSON for `config.json`. */
export interface Resolved<T> {
  training: Training;
  own: T;
  /** Not part of `json`. */
  resume: boolean;
  json: PlainObject;
}

/** The name of a size with these dimensions, if it has one. */
export function modelName(size: ModelSize): ModelName | undefined {
  const key = (value: ModelSize) =>
    JSON.stringify(
      Object.entries(value)
        .filter(([, field]) => field !== undefined)
        .sort(),
    );
  return modelNames.find((name) => key(models[name]()) === key(size));
}

function settleBehaviour(parsed: Parsed): Behaviour {
  const preset = typeof parsed.preset === "string" ? presets[parsed.preset]() : parsed.preset;
  const groups = Object.keys(behaviourOverrides) as Array<keyof typeof behaviourOverrides>;
  const changes = Object.fromEntries(groups.map((name) => [name, parsed[name]]));
  return merge(preset, changes) as Behaviour;
}

function settle(parsed: Parsed): Training {
  const model = typeof parsed.model === "string" ? models[parsed.model]() : parsed.model;
  const defaults = modelName(model) === "tiny" ? tinyDefaults : undefined;
  const batchSize = parsed.batchSize ?? defaults?.batchSize ?? PUBLISHED_BATCH;
  const { base, warmup } = parsed.learningRate;
  const peak = parsed.learningRate.peak ?? defaults?.peak ?? (base * batchSize) / 256;
  return {
    model,
    behaviour: settleBehaviour(parsed),
    epochs: parsed.epochs,
    maxSteps: parsed.maxSteps,
    batchSize,
    accumulate: parsed.accumulate,
    recompute: parsed.recompute,
    learningRate: { peak, warmup },
    device: parsed.device,
    precision: parsed.precision,
    graphs: parsed.graphs,
    threads: parsed.threads ?? physicalCores(),
    workers: parsed.workers,
    seed: parsed.seed,
    startFrom: parsed.startFrom,
    startPositions: parsed.startPositions,
    replay: parsed.replay,
    buffers: parsed.buffers,
    bufferStore: [parsed.bufferStore ?? []].flat(),
    buffer: parsed.buffer,
    logEvery: parsed.logEvery ?? (parsed.device === "cpu" ? 1 : 10),
    validateEvery: parsed.validateEvery,
    checkpoint: parsed.checkpoint,
    reconstructions: parsed.reconstructions,
    nonFiniteLimit: parsed.nonFiniteLimit,
  };
}

/** A resolved configuration in the form of the schema's input. */
function toJson(parsed: Parsed, training: Training, own: PlainObject): PlainObject {
  const { behaviour, learningRate, ...rest } = training;
  const overrides = Object.fromEntries(
    Object.keys(behaviourOverrides).map((name) => [name, behaviour[name as keyof Behaviour]]),
  );
  const json = {
    ...own,
    ...rest,
    preset: parsed.preset,
    ...overrides,
    learningRate: { base: parsed.learningRate.base, ...learningRate },
  };
  return JSON.parse(JSON.stringify(json));
}

/** Checks and settles the configuration of a run. */
export function resolvePretrain(
  input: PretrainInput | PlainObject,
): Resolved<Pick<PretrainParsed, "store" | "out" | "stages">> {
  const parsed = parseConfig(pretrainSchema, input);
  const training = settle(parsed);
  const own = { store: parsed.store, out: parsed.out, stages: parsed.stages };
  return { training, own, resume: parsed.resume, json: toJson(parsed, training, own) };
}

/** Checks and settles the configuration of one stage. */
export function resolveStage(
  input: StageInput | PlainObject,
): Resolved<Pick<StageParsed, "modality" | "data" | "validation" | "tokenizer" | "stage" | "out">> {
  const parsed = parseConfig(stageSchema, input);
  const training = settle(parsed);
  const { modality, data, validation, tokenizer, stage, out } = parsed;
  const named = {
    modality,
    data: typeof data === "string" ? data : undefined,
    tokenizer,
    stage,
    out,
  };
  return {
    training,
    own: { modality, data, validation, tokenizer, stage, out },
    resume: parsed.resume,
    json: toJson(parsed, training, named),
  };
}

/**
 * Fields that say where a run computes, what it notes and when it stops, but not what it computes; `--resume` may change
 * them. On another device, with other threads or parts of a batch the same sums are rounded otherwise.
 */
const free = new Set([
  ...["store", "bufferStore", "data", "out", "device", "graphs", "threads", "workers"],
  ...["accumulate", "recompute"],
  ...["logEvery", "validateEvery", "checkpoint", "reconstructions", "nonFiniteLimit"],
]);
/** Fields that only say how long stages are: they hold for the steps that are still to come. */
const lengths = new Set(["epochs", "maxSteps"]);

function leaves(value: unknown, path: string, out: Map<string, string>): Map<string, string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value))
      leaves(inner, path ? `${path}.${key}` : key, out);
  } else {
    out.set(path, JSON.stringify(value));
  }
  return out;
}

/**
 * The fields in which two resolved configurations differ in what they compute, as `field: a -> b`; those that say how
 * long stages are count once the run is `finished`.
 */
export function differences(before: PlainObject, after: PlainObject, finished: boolean): string[] {
  const counts = (key: string) => !free.has(key) && (finished || !lengths.has(key));
  const keep = (json: PlainObject) =>
    leaves(Object.fromEntries(Object.entries(json).filter(([key]) => counts(key))), "", new Map());
  const [old, now] = [keep(before), keep(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => old.get(key) !== now.get(key))
    .map((key) => `${key}: ${old.get(key) ?? "unset"} -> ${now.get(key) ?? "unset"}`);
}
