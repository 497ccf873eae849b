/**
 * Reads DICOM files from disk: whole, or no further than the pixels.
 */
import { open, readFile } from "node:fs/promises";
import type { DataSet } from "dicom-parser";
import { checkLimit, decoding } from "../types.js";
import { DICOM, PIXEL_DATA, parseDataset } from "./dataset.js";

/** More than this is not held in memory at once. */
const FILE_BYTES = 2 ** 30;
/** What a deflated file may unpack to. */
const UNPACKED_BYTES = 2 ** 28;
const HEAD_STEPS = [2 ** 16, 2 ** 20];

/** A file's elements with its pixels. */
export async function readDataset(path: string): Promise<DataSet> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    checkLimit(size, FILE_BYTES, "bytes");
    return parseDataset(await readFile(file), UNPACKED_BYTES);
  } finally {
    await file.close();
  }
}

/** Frames that a file claims. */
export async function frameCount(path: string): Promise<number> {
  return decoding(DICOM, path, async () => {
    return (await readElements(path)).intString("x00280008") ?? 1;
  });
}

/** A file's elements before its pixels, from as few bytes as hold them. */
export async function readElements(path: string): Promise<DataSet> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    checkLimit(size, FILE_BYTES, "bytes");
    for (const bytes of HEAD_STEPS) {
      if (bytes >= size) break;
      const head = Buffer.alloc(bytes);
      await file.read(head, 0, bytes, 0);
      try {
        return parseDataset(head, UNPACKED_BYTES, PIXEL_DATA);
      } catch {
        // An element is longer than what was read.
      }
    }
    return parseDataset(await readFile(file), UNPACKED_BYTES, PIXEL_DATA);
  } finally {
    await file.close();
  }
}
