/**
 * What a run is, read from its configuration, summaries and states; files are read whole only to verify digests.
 */
import { join, relative } from "node:path";
import { behaviourOverrides } from "../config/behaviour.js";
import type { ModelSize } from "../config/models.js";
import type { PlainObject } from "../config/parse.js";
import { presets } from "../config/presets.js";
import { differences, modelName } from "../config/resolve.js";
import { fileDigest } from "../data/shard.js";
import { MedcossError } from "../errors.js";
import { METRICS_FILE } from "../metrics/recorder.js";
import { readRows, rowsUpTo } from "../metrics/rows.js";
import { readBuffer } from "../replay/buffer-file.js";
import { checkpointsIn, readState, type SavedCheckpoint, verifyCheckpoint } from "./checkpoint.js";
import { FINAL, isFinished, readSummary, recordedConfig, stageFolder } from "./run-folder.js";
import type { MetricRow, StageResult } from "./types.js";

/** A stage that is not finished. */
export interface RunningStage {
  modality: string;
  /** Steps that its checkpoint has done. */
  step: number;
  /** Folder of that checkpoint, relative to the run folder. */
  checkpoint: string;
  /** The last row that its checkpoint holds; later ones of a run that was killed are lost. */
  last?: MetricRow;
}

export interface RunDescription {
  kind: "run";
  path: string;
  finished: boolean;
  /** `tiny`, or `48 x 2, decoder 32 x 1` for a size without a name. */
  model: string;
  /** Name of the preset, with the options that differ from it. */
  preset: string;
  /** Modalities in the order of their stages, those to come among them. */
  planned: string[];
  stages: StageResult[];
  /** The stage that goes on at `--resume`, once it has a checkpoint. */
  running?: RunningStage;
  /** Files of replay buffers, relative to the run folder. */
  buffers: string[];
  /** True where digests were compared; a mismatch is an error. */
  verified: boolean;
}

function modelText(size: ModelSize): string {
  const own = `${size.encoderWidth} x ${size.encoderLayers}, decoder ${size.decoderWidth} x ${size.decoderLayers}`;
  return modelName(size) ?? own;
}

function presetText({ preset, ...config }: PlainObject): string {
  if (typeof preset !== "string" || !(preset in presets)) return "of its own";
  const names = Object.keys(behaviourOverrides);
  const behaviour = Object.fromEntries(names.map((name) => [name, config[name]]));
  const usual = presets[preset as keyof typeof presets]() as PlainObject;
  return [preset, ...differences(usual, behaviour, true)].join("; ");
}

async function runningStage(
  path: string,
  stage: number,
  modality: string,
): Promise<RunningStage | undefined> {
  const folder = stageFolder(stage, modality);
  const [latest] = await checkpointsIn(join(path, folder));
  if (!latest) return undefined;
  const rows = await readRows(join(path, METRICS_FILE));
  const { step } = latest.state;
  const kept = rowsUpTo(rows, stage, step);
  const last = kept.findLast((row) => row.stage === stage && row.kind !== "validation");
  return { modality, step, checkpoint: relative(path, latest.path), last };
}

/** Compares a stage's buffer with the digest in its summary; one of a run that recorded none is read through. */
async function verifyBuffer(path: string, { buffer, bufferDigest }: StageResult): Promise<void> {
  if (buffer === undefined) return;
  const file = join(path, buffer);
  await readBuffer(file);
  if (bufferDigest === undefined || bufferDigest === (await fileDigest(file))) return;
  const problem = "its digest is not that in summary.json";
  throw new MedcossError("E_BUFFER_CORRUPT", { path: file, problem });
}

/** The checkpoints of all stages, and the weights of a finished run. */
async function savedIn(path: string, folders: readonly string[]): Promise<SavedCheckpoint[]> {
  const stages = await Promise.all(folders.map((folder) => checkpointsIn(join(path, folder))));
  const final = join(path, FINAL);
  const state = await readState(final);
  return [...stages.flat(), ...(state ? [{ path: final, state }] : [])];
}

async function verifyRun(
  path: string,
  folders: readonly string[],
  stages: readonly StageResult[],
): Promise<boolean> {
  const saved = await savedIn(path, folders);
  for (const checkpoint of saved) await verifyCheckpoint(checkpoint.path, checkpoint.state);
  for (const stage of stages) await verifyBuffer(path, stage);
  return saved.length > 0;
}

/**
 * Describes a run folder; with `verify`, compares all checkpoints, the final weights and the buffers with their digests.
 * Throws E_CHECKPOINT_CORRUPT, E_BUFFER_CORRUPT, E_NO_BUFFER.
 */
export async function describeRun(path: string, verify: boolean): Promise<RunDescription> {
  const config = await recordedConfig(path);
  if (config?.model === undefined) {
    const problem = "its config.json is not that of a run";
    throw new MedcossError("E_CHECKPOINT_CORRUPT", { path, problem });
  }
  const planned = (config.stages ?? []) as string[];
  const folders = planned.map((modality, index) => stageFolder(index + 1, modality));
  const summaries = await Promise.all(folders.map((folder) => readSummary(join(path, folder))));
  const stages = summaries.filter((summary) => summary !== undefined);
  const next = summaries.indexOf(undefined);
  return {
    kind: "run",
    path,
    finished: await isFinished(path),
    model: modelText(config.model as ModelSize),
    preset: presetText(config),
    planned,
    stages,
    running: next < 0 ? undefined : await runningStage(path, next + 1, planned[next] as string),
    buffers: stages.flatMap(({ buffer }) => buffer ?? []),
    verified: verify && (await verifyRun(path, folders, stages)),
  };
}
