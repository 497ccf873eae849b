/**
 * The buffers of a stage: those it replays, opened as datasets, and the one it leaves behind.
 *
 * Invariant: a modality is replayed from one buffer, and never from one of the stage's own modality.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Training } from "../config/resolve.js";
import { openStore, type Store } from "../data/store.js";
import type { Tokenizer } from "../data/tokenizer.js";
import { MedcossError } from "../errors.js";
import { exists } from "../files.js";
import { BUFFER_FILE, type Buffer, readBuffer, writeBuffer } from "../replay/buffer-file.js";
import { selectBuffer } from "../replay/build-buffer.js";
import type { Trainer } from "../trainer.js";
import { isRun } from "./run-folder.js";
import type { ChosenFrom, ReplayParts } from "./stage-data.js";
import type { Hooks } from "./types.js";

/** Folders of a run's stages that hold a buffer. */
async function buffersOfRun(path: string): Promise<string[]> {
  const folder = join(path, "stages");
  const stages = (await readdir(folder)).sort().map((name) => join(folder, name));
  const held = await Promise.all(stages.map((stage) => exists(join(stage, BUFFER_FILE))));
  return stages.filter((_, index) => held[index]);
}

/** Reads buffers from files, folders of stages, or runs. Throws E_NO_BUFFER, E_BUFFER_CORRUPT. */
export async function readBuffers(paths: readonly string[]): Promise<Buffer[]> {
  const buffers: Buffer[] = [];
  for (const path of paths) {
    const files = (await isRun(path)) ? await buffersOfRun(path) : [path];
    if (files.length === 0) throw new MedcossError("E_NO_BUFFER", { path });
    for (const file of files) buffers.push(await readBuffer(file));
  }
  return buffers;
}

function refuseTwice(buffers: readonly Buffer[]): void {
  const names = buffers.map(({ modality }) => modality);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  const problem = `there are two buffers of ${twice}; \`medcoss buffer merge\` makes one of them`;
  throw new MedcossError("E_CONFIG", { field: "buffers", problem });
}

function digestOf(buffer: Buffer): string {
  const hash = createHash("sha256").update(`${buffer.modality}:${buffer.data}:`);
  return hash.update(buffer.samples.map(({ record }) => record).join(",")).digest("hex");
}

/** Says of a store without a buffer's modality that another one may be given. */
function refuseWithout({ path, modalities }: Store, { modality }: Buffer): void {
  if (modalities.includes(modality)) return;
  const present = modalities.join(", ") || "nothing";
  const otherwise = ", or say with --buffer-store where the records of the buffer are";
  throw new MedcossError("E_NO_MODALITY", { path, modality, present, otherwise });
}

/** Refuses a buffer that was chosen from other records than the store's; its numbers would name anything. */
function refuseOtherRecords(store: Store, { modality, kind, data }: Buffer): void {
  const info = store.info(modality);
  const preprocessing = data.split(":")[0];
  const refuse = (problem: string) => {
    throw new MedcossError("E_BUFFER_MISMATCH", { problem });
  };
  if (kind !== info.kind) refuse(`it is of ${kind}, ${modality} in ${store.path} of ${info.kind}`);
  if (preprocessing !== "" && preprocessing !== info.preprocessingDigest) {
    refuse(`its records of ${modality} were preprocessed otherwise than those of ${store.path}`);
  }
}

/**
 * The tokenizer of a network that trains on one store's texts and replays those of another.
 * Throws E_TOKENIZER_MISMATCH.
 */
export function commonTokenizer(
  own: Tokenizer | undefined,
  replayed: readonly ReplayParts[],
): Tokenizer | undefined {
  const other = replayed.find(({ tokenizer }) => tokenizer)?.tokenizer;
  if (own && other && own.digest !== other.digest) {
    const values = { store: own.digest, checkpoint: other.digest };
    throw new MedcossError("E_TOKENIZER_MISMATCH", values);
  }
  return own ?? other;
}

/** The stores that hold the records of buffers, open. Throws as `openStore` does. */
export class BufferStores implements AsyncDisposable {
  readonly #stores: Store[] = [];

  static async open(paths: readonly string[]): Promise<BufferStores> {
    const opened = new BufferStores();
    try {
      for (const path of paths) opened.#stores.push(await openStore(path));
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
    return opened;
  }

  /** The first store that has the modality; the last where none has. */
  holding(modality: string): Store {
    const has = (store: Store) => store.modalities.includes(modality);
    return this.#stores.find(has) ?? (this.#stores.at(-1) as Store);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
  }
}

/**
 * The records of buffers that a stage of `modality` replays. Throws E_NO_MODALITY, E_ARGUMENT, E_CONFIG,
 * E_BUFFER_MISMATCH.
 */
export async function openBuffers(
  stores: Pick<BufferStores, "holding">,
  buffers: readonly Buffer[],
  modality: string,
): Promise<ReplayParts[]> {
  refuseTwice(buffers);
  const parts: ReplayParts[] = [];
  for (const buffer of buffers) {
    if (buffer.modality === modality || buffer.samples.length === 0) continue;
    const store = stores.holding(buffer.modality);
    refuseWithout(store, buffer);
    refuseOtherRecords(store, buffer);
    const records = buffer.samples.map(({ record }) => record);
    const dataset = store.records(buffer.modality, records);
    const tokenizer = dataset.kind === "text" ? await store.tokenizer() : undefined;
    parts.push({ modality: buffer.modality, dataset, tokenizer, digest: digestOf(buffer) });
  }
  return parts;
}

/** What a finished stage's buffer is chosen with. */
export interface BufferPlan {
  stage: number;
  modality: string;
  training: Training;
  from: ChosenFrom;
  folder: string;
  /** SHA-256 of the stage's model file. */
  checkpoint: string;
  tokenizer?: Tokenizer;
  hooks: Hooks;
}

/** Chooses and writes `buffer.json` of a stage from its final weights. Throws as `selectBuffer` does. */
export async function leaveBuffer(trainer: Trainer, plan: BufferPlan): Promise<Buffer> {
  const { stage, modality, training, from, hooks, tokenizer } = plan;
  const { seed, behaviour, batchSize, device } = training;
  const buffer = await selectBuffer({
    ...{ trainer, stage, modality, tokenizer, seed, behaviour, batchSize, device },
    dataset: from.dataset,
    recordNumber: from.recordNumber,
    checkpointDigest: plan.checkpoint,
    dataDigest: from.digest,
    options: training.buffer,
    signal: hooks.signal,
    onProgress: (progress) => hooks.onBuffer?.({ stage, modality, ...progress }),
  });
  await writeBuffer(join(plan.folder, BUFFER_FILE), buffer);
  return buffer;
}
