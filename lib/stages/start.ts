/**
 * Where the weights of a first stage come from.
 *
 * Invariant: a start in PyTorch's form is converted once, into the folder of the run, so that a resumed run starts from
 * the same bytes.
 */
import { access, mkdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { convert, openTensorFile, pytorchEndings } from "../checkpoints/convert.js";
import { MedcossError } from "../errors.js";
import { writing } from "../files.js";
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

async function converted(path: string, { folder, mapPositions }: StartOptions): Promise<string> {
  const target = join(folder, START, MODEL_FILE);
  const done = await access(target).then(
    () => true,
    () => false,
  );
  if (done) return target;
  await writing(target, () => mkdir(join(folder, START), { recursive: true }));
  const rename = (name: string) => name.replace(foreignPositions, ownPositions);
  await convert(path, target, mapPositions ? rename : undefined);
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
  const before = (await readState(dirname(file)))?.digests?.tokenizer;
  if (before === undefined || tokenizer === undefined || before === tokenizer) {
    return { file, tokenizer: before };
  }
  throw new MedcossError("E_TOKENIZER_MISMATCH", { store: tokenizer, checkpoint: before });
}

/** Refuses a start that cannot be used, before anything is written; throws as `startOf`. */
export async function checkStart(
  path: string | undefined,
  tokenizer?: string,
): Promise<StartTokens> {
  if (path === undefined) return {};
  const own = isPyTorch(path) ? { file: path } : await ownFile(path, tokenizer);
  const opened = await openTensorFile(own.file);
  const rows = opened.tensors.get(TOKEN_TABLE)?.[0];
  await opened.close();
  return { rows, tokenizer: own.tokenizer };
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
