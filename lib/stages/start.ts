/**
 * Where the weights of a first stage come from.
 *
 * Invariant: a start in PyTorch's form is converted once, into the folder of the run, so that a resumed run starts from
 * the same bytes.
 */
import { mkdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { convert, openRenamed, openTensorFile, pytorchEndings } from "../checkpoints/convert.js";
import { checkEncoder } from "../checkpoints/encoder.js";
import { readEncoderConfig } from "../checkpoints/encoder-config.js";
import { type ModelSize, nativeModelSize } from "../config/models.js";
import { MedcossError } from "../errors.js";
import { exists, writing } from "../files.js";
import type { NativeStart } from "../native/types.js";
import { findModelFile, MODEL_FILE, readState } from "./checkpoint.js";

const START = "start";
const TOKEN_TABLE = "token_embed.embeddings.weight";
/** Uni-Perceiver's name of the table that ours calls `embeddings_st_pos_2D`. */
const foreignPositions = /^video_embed\.embeddings_st_pos\./;
const ownPositions = "video_embed.embeddings_st_pos_2D.";

export interface StartOptions {
  /** Run folder; a `.pth` is converted into `start/` in it. */
  folder: string;
  /** Digest of the tokenizer whose ids the run trains on. */
  tokenizer?: string;
  /** Whether Uni-Perceiver's table of image positions becomes ours. */
  mapPositions?: boolean;
}

/** Encoder and embeddings of a model file; everything else is drawn anew. */
export function carryOver(modelFile: string): NativeStart {
  return { kind: "file", path: modelFile, scope: "carry-over" };
}

function renaming(mapPositions: boolean | undefined): (name: string) => string {
  return (name) => (mapPositions ? name.replace(foreignPositions, ownPositions) : name);
}

/** The converted start in the folder of a run; undefined before it is there. */
async function convertedBefore(folder: string): Promise<string | undefined> {
  const target = join(folder, START, MODEL_FILE);
  return (await exists(target)) ? target : undefined;
}

async function converted(path: string, { folder, mapPositions }: StartOptions): Promise<string> {
  const before = await convertedBefore(folder);
  if (before !== undefined) return before;
  const target = join(folder, START, MODEL_FILE);
  await writing(target, () => mkdir(join(folder, START), { recursive: true }));
  await convert(path, target, { rename: renaming(mapPositions) });
  return target;
}

const isPyTorch = (path: string) => pytorchEndings.has(extname(path));

/** What a start says of the tokens that its network knows. */
export interface StartTokens {
  /** Rows of the token table. */
  rows?: number;
  /** Digest of the tokenizer. */
  tokenizer?: string;
}

interface OwnFile {
  file: string;
  tokenizer?: string;
}

/** The model file of a start in our own form, made with the tokenizer of this run. */
async function ownFile(path: string, tokenizer: string | undefined): Promise<OwnFile> {
  const file = await findModelFile(path);
  const folder = dirname(file);
  const state = await readState(folder);
  const before = (state?.digests ?? (await readEncoderConfig(folder))?.source)?.tokenizer;
  if (before === undefined || tokenizer === undefined || before === tokenizer) {
    return { file, tokenizer: before };
  }
  throw new MedcossError("E_TOKENIZER_MISMATCH", { store: tokenizer, checkpoint: before });
}

/** The tensors of a start under our names. */
async function openStart(path: string, { folder, tokenizer, mapPositions }: StartOptions) {
  if (!isPyTorch(path)) {
    const own = await ownFile(path, tokenizer);
    return { ...own, opened: await openTensorFile(own.file) };
  }
  const file = (await convertedBefore(folder)) ?? path;
  return { file, tokenizer: undefined, opened: await openRenamed(file, renaming(mapPositions)) };
}

/**
 * Refuses a start that a network of `model` cannot use, before anything is written. Throws as `startOf`, and
 * E_CHECKPOINT_SHAPE.
 */
export async function checkStart(
  path: string | undefined,
  model: ModelSize,
  options: StartOptions,
): Promise<StartTokens> {
  if (path === undefined) return {};
  const { file, tokenizer, opened } = await openStart(path, options);
  await opened.close();
  const rows = opened.tensors.get(TOKEN_TABLE)?.[0];
  checkEncoder(file, opened.tensors, nativeModelSize(model, rows ?? 0));
  return { rows, tokenizer };
}

/**
 * The start that `path` means; random weights without one. Throws E_NO_CHECKPOINT, E_CHECKPOINT_CORRUPT, and
 * E_TOKENIZER_MISMATCH where the checkpoint was trained with other token ids.
 */
export async function startOf(
  path: string | undefined,
  options: StartOptions,
): Promise<NativeStart> {
  if (path === undefined) return { kind: "random" };
  if (isPyTorch(path)) return carryOver(await converted(path, options));
  return carryOver((await ownFile(path, options.tokenizer)).file);
}
