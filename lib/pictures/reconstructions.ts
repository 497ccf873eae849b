/**
 * The pictures of a stage: what the network makes of masked inputs.
 *
 * Invariant: files are named after the step, so a later call with another step leaves earlier pictures alone.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Batch, StepKey } from "../batch.js";
import type { Tokenizer } from "../data/tokenizer.js";
import type { NativeReconstruction } from "../native/types.js";
import { mosaic } from "./mosaic.js";
import {
  type ChannelOrder,
  imageRows,
  tripleLabels,
  volumeLabels,
  volumeRows,
} from "./triptych.js";
import { wordTable } from "./words.js";

/** The part of a trainer that makes reconstructions. */
export interface Reconstructor {
  reconstruct(batch: Batch, key: StepKey): Promise<NativeReconstruction>;
}

export interface PictureOptions {
  /** Order of the colours in the batch; the file is always RGB. Default `rgb`. */
  channelOrder?: ChannelOrder;
  /** Chooses the grey window: `ct` shows -1024 to 400 HU, any other volume its 1st to 99th percentile. */
  modality?: string;
  /** Samples shown. Default 6 images, 3 volumes, 12 reports. */
  samples?: number;
  /** Slices shown of each volume. Default 3, or 2 of more than three volumes. */
  slices?: number;
}

function picture(result: NativeReconstruction, options: PictureOptions): Promise<Buffer> {
  const { channelOrder = "rgb", modality = "" } = options;
  if (result.kind === "image2d") {
    return mosaic(imageRows(result, options.samples ?? 6, channelOrder), tripleLabels);
  }
  const samples = options.samples ?? 3;
  const slices = options.slices ?? (samples > 3 ? 2 : 3);
  const rows = volumeRows(result, samples, slices, modality);
  return mosaic(rows, tripleLabels, volumeLabels(result, samples, slices));
}

/**
 * Reconstructs a batch and writes it into `directory`: `step-NNNNNN.png` with a row per image (per shown slice of a
 * volume) and the columns masked, reconstructed, original; for reports `step-NNNNNN.md` with a table row per report.
 * In the middle column visible patches show the original and masked ones the prediction.
 *
 * @returns paths of the files written; none for text without a tokenizer.
 */
export async function writeReconstructions(
  trainer: Reconstructor,
  batch: Batch,
  key: StepKey,
  directory: string,
  tokenizer?: Tokenizer,
  options: PictureOptions = {},
): Promise<string[]> {
  if (batch.kind === "text" && !tokenizer) return [];
  const result = await trainer.reconstruct(batch, key);
  await mkdir(directory, { recursive: true });
  const stem = join(directory, `step-${String(key.step).padStart(6, "0")}`);
  if (batch.kind === "text") {
    const page = wordTable(batch, result, tokenizer as Tokenizer, options.samples ?? 12);
    await writeFile(`${stem}.md`, page);
    return [`${stem}.md`];
  }
  await writeFile(`${stem}.png`, await picture(result, options));
  return [`${stem}.png`];
}
