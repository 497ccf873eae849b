/**
 * Checkpoints: `model.safetensors`, `optimizer.safetensors` and `state.json` in a folder.
 *
 * Invariant: a folder named `checkpoint` or `checkpoint.previous` is complete; anything half-written has another name.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PlainObject } from "../config/parse.js";
import { fileDigest } from "../data/shard.js";
import { MedcossError } from "../errors.js";
import { exists, flushFolder, replaceJson, writing } from "../files.js";

export const STATE_FILE = "state.json";
export const MODEL_FILE = "model.safetensors";
const STATE_VERSION = 1;
const CURRENT = "checkpoint";
const PREVIOUS = "checkpoint.previous";
const TEMPORARY = ".checkpoint.tmp";

export interface FileDigest {
  bytes: number;
  sha256: string;
}

/** What `state.json` says of the weights beside it. */
export interface CheckpointState {
  version: number;
  stage: number;
  modality: string;
  /** Optimiser steps of the stage that are done. */
  step: number;
  /** The resolved configuration of the run. */
  configuration: PlainObject;
  /** Digest of the data a stage trains on, and of the tokenizer. */
  digests: { data?: string; tokenizer?: string };
  files: Record<string, FileDigest>;
}

/** What can write its weights into a folder. */
export interface Savable {
  save(directory: string): Promise<void>;
}

async function digest(path: string): Promise<FileDigest> {
  return { bytes: (await stat(path)).size, sha256: await fileDigest(path) };
}

async function flushFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes weights and state into the new folder `folder` and flushes them. */
async function writeFiles(
  from: Savable,
  folder: string,
  state: Omit<CheckpointState, "version" | "files">,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await from.save(folder);
  const files: Record<string, FileDigest> = {};
  for (const name of (await readdir(folder)).sort()) {
    await flushFile(join(folder, name));
    files[name] = await digest(join(folder, name));
  }
  await replaceJson(join(folder, STATE_FILE), { version: STATE_VERSION, ...state, files });
}

/** Writes a checkpoint into `parent`; the one before it stays as `checkpoint.previous`. */
export async function saveCheckpoint(
  from: Savable,
  parent: string,
  state: Omit<CheckpointState, "version" | "files">,
): Promise<string> {
  const temporary = join(parent, TEMPORARY);
  const current = join(parent, CURRENT);
  const previous = join(parent, PREVIOUS);
  await writing(current, async () => {
    try {
      await writeFiles(from, temporary, state);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    if (await exists(current)) {
      await rm(previous, { recursive: true, force: true });
      await rename(current, previous);
    }
    await rename(temporary, current);
    await flushFolder(parent);
  });
  return current;
}

function corrupt(path: string, problem: string, cause?: unknown): MedcossError {
  return new MedcossError("E_CHECKPOINT_CORRUPT", { path, problem }, { cause });
}

/** The state of a checkpoint folder; undefined where it has none. */
export async function readState(folder: string): Promise<CheckpointState | undefined> {
  const path = join(folder, STATE_FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw corrupt(folder, error.message, error);
  });
  if (text === undefined) return undefined;
  let state: Partial<CheckpointState> | null;
  try {
    state = JSON.parse(text);
  } catch (error) {
    throw corrupt(folder, `${STATE_FILE} is not JSON`, error);
  }
  if (typeof state?.version === "number" && state.version !== STATE_VERSION) {
    const problem = `${STATE_FILE} has version ${state.version}, this release reads ${STATE_VERSION}`;
    throw corrupt(folder, problem);
  }
  if (typeof state?.step === "number" && state.files && state.digests && state.configuration) {
    return state as CheckpointState;
  }
  throw corrupt(folder, `${STATE_FILE} lacks fields`);
}

/** Compares the files of a checkpoint with their digests; throws E_CHECKPOINT_CORRUPT. */
export async function verifyCheckpoint(folder: string, state: CheckpointState): Promise<void> {
  for (const [name, expected] of Object.entries(state.files)) {
    const path = join(folder, name);
    const found = await digest(path).catch((error: NodeJS.ErrnoException) => {
      throw corrupt(folder, `${name} cannot be read (${error.code})`, error);
    });
    if (found.bytes !== expected.bytes) {
      throw corrupt(folder, `${name} has ${found.bytes} bytes in place of ${expected.bytes}`);
    }
    if (found.sha256 !== expected.sha256) throw corrupt(folder, `${name} has another digest`);
  }
}

/** A checkpoint's folder with what its `state.json` says. */
export interface SavedCheckpoint {
  path: string;
  state: CheckpointState;
}

/** The complete checkpoints in `parent`, the newest first; their digests are not compared. */
export async function checkpointsIn(parent: string): Promise<SavedCheckpoint[]> {
  const found: SavedCheckpoint[] = [];
  for (const name of [CURRENT, PREVIOUS]) {
    const path = join(parent, name);
    const state = await readState(path);
    if (state) found.push({ path, state });
  }
  return found;
}

/** The newest complete checkpoint in `parent`, verified; undefined where there is none. */
export async function latestCheckpoint(parent: string): Promise<SavedCheckpoint | undefined> {
  const [latest] = await checkpointsIn(parent);
  if (latest) await verifyCheckpoint(latest.path, latest.state);
  return latest;
}

/** The model file that a path means: itself, or that of a checkpoint, stage or run folder. */
export async function findModelFile(path: string): Promise<string> {
  const candidates = [
    join(path, MODEL_FILE),
    join(path, CURRENT, MODEL_FILE),
    join(path, "final", MODEL_FILE),
  ];
  if (path.endsWith(".safetensors")) candidates.unshift(path);
  for (const candidate of candidates) {
    if (await exists(candidate)) return candidate;
  }
  throw new MedcossError("E_NO_CHECKPOINT", { path });
}
