/**
 * The folder of a run: who owns it, what it was made with, where its parts are.
 *
 * Invariant: one process writes to it; its `config.json` is what every checkpoint in it was trained with.
 */
import { constants, copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type PlainObject, readConfigFile } from "../config/parse.js";
import { differences } from "../config/resolve.js";
import { MedcossError } from "../errors.js";
import {
  exists,
  flushFolder,
  isLeftover,
  removeLeftovers,
  replaceJson,
  writing,
} from "../files.js";
import { type Lock, lockFolder } from "../lock.js";
import { MODEL_FILE, readState, STATE_FILE } from "./checkpoint.js";
import type { StageResult } from "./types.js";

const CONFIG_FILE = "config.json";
const SUMMARY_FILE = "summary.json";
/** Folder of a finished run's weights. */
export const FINAL = "final";
const MOST_DIFFERENCES = 5;

/** `stages/02-xray`. */
export function stageFolder(stage: number, modality: string): string {
  return join("stages", `${String(stage).padStart(2, "0")}-${modality}`);
}

/** Whether a folder is that of a run over stages. */
export async function isRun(path: string): Promise<boolean> {
  return (await exists(join(path, CONFIG_FILE))) && (await exists(join(path, "stages")));
}

/** The configuration that a run was begun with; undefined where there is no run. */
export async function recordedConfig(out: string): Promise<PlainObject | undefined> {
  const path = join(out, CONFIG_FILE);
  return (await exists(path)) ? readConfigFile(path) : undefined;
}

/** Refuses to go on with a run that was made with another configuration. */
async function refuseChanges(out: string, configuration: PlainObject): Promise<void> {
  const recorded = await readConfigFile(join(out, CONFIG_FILE));
  const finished = (await isFinished(out)) || (await exists(join(out, SUMMARY_FILE)));
  const changed = differences(recorded, configuration, finished);
  if (changed.length === 0) return;
  const more = changed.length - MOST_DIFFERENCES;
  const shown = changed.slice(0, MOST_DIFFERENCES).join("; ");
  const text = more > 0 ? `${shown}; and ${more} more` : shown;
  throw new MedcossError("E_RUN_CHANGED", { path: out, differences: text });
}

/** Whether nothing but a lock, or what a killed process left before its first file, is there. */
async function isEmpty(folder: string): Promise<boolean> {
  return writing(folder, async () => {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return names.every((name) => /^lock(\.|$)/.test(name) || isLeftover(name));
  });
}

/**
 * Refuses a folder that this configuration must not be written to; with `resume`, one that holds something else than its
 * run. Throws E_RUN_EXISTS, E_RUN_CHANGED.
 */
export async function checkRunFolder(
  out: string,
  configuration: PlainObject,
  resume: boolean,
): Promise<void> {
  const begun = await exists(join(out, CONFIG_FILE));
  if (begun && resume) return refuseChanges(out, configuration);
  if (!begun && (await isEmpty(out))) return;
  const problem = begun ? "is not empty" : "is not empty and holds no run";
  throw new MedcossError("E_RUN_EXISTS", { path: out, problem });
}

/** Takes the folder and writes what the run is made with. */
export async function openRunFolder(
  out: string,
  configuration: PlainObject,
  environment: PlainObject,
): Promise<Lock> {
  const lock = await lockFolder(out);
  try {
    await removeLeftovers(out);
    await replaceJson(join(out, CONFIG_FILE), configuration);
    await replaceJson(join(out, "environment.json"), environment);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The summary of a finished stage; undefined while it is not finished. Throws E_CHECKPOINT_CORRUPT. */
export async function readSummary(folder: string): Promise<StageResult | undefined> {
  const path = join(folder, SUMMARY_FILE);
  if (!(await exists(path))) return undefined;
  const text = await readFile(path, "utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = `${SUMMARY_FILE} is not JSON`;
    throw new MedcossError("E_CHECKPOINT_CORRUPT", { path: folder, problem }, { cause });
  }
}

export async function writeSummary(folder: string, summary: StageResult): Promise<void> {
  await replaceJson(join(folder, SUMMARY_FILE), summary);
}

/** Whether the last stage's weights are in `final/`. */
export async function isFinished(out: string): Promise<boolean> {
  return exists(join(out, FINAL, STATE_FILE));
}

/** Puts the weights and the state of the last stage's checkpoint into `final/`. */
export async function writeFinal(out: string, checkpoint: string): Promise<void> {
  const temporary = join(out, ".final.tmp");
  const target = join(out, FINAL);
  await writing(target, async () => {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    await copyFile(
      join(checkpoint, MODEL_FILE),
      join(temporary, MODEL_FILE),
      constants.COPYFILE_FICLONE,
    );
    const state = await readState(checkpoint);
    const model = state?.files[MODEL_FILE];
    await replaceJson(join(temporary, STATE_FILE), { ...state, files: { [MODEL_FILE]: model } });
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
    await flushFolder(out);
  });
}
