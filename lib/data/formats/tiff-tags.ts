/**
 * The few tags of a TIFF's first directory that tell a slide from a picture; TIFF and BigTIFF, either byte order.
 */
import { open } from "node:fs/promises";

export interface TiffTags {
  /** Whether the image is stored in tiles. */
  tiled: boolean;
  /** Objective of the scanner, where the description names it. */
  magnification?: number;
}

const TILE_WIDTH = 322;
const DESCRIPTION = 270;
const MOST_ENTRIES = 512;
const MOST_TEXT = 2 ** 16;

/** Whether the first bytes are a TIFF's. */
export function isTiff(head: Buffer): boolean {
  return /^(II[*+]\0|MM\0[*+])/.test(head.toString("latin1", 0, 4));
}

type Read = (position: number, bytes: number) => Promise<Buffer>;

interface Directory {
  entries: Buffer;
  big: boolean;
  number(bytes: Buffer, at: number, wide: 2 | 4 | 8): number;
}

async function readDirectory(read: Read): Promise<Directory> {
  const head = await read(0, 16);
  const little = head[0] === 0x49;
  const number = (bytes: Buffer, at: number, wide: 2 | 4 | 8): number => {
    if (wide === 8) return Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
    return little ? bytes.readUIntLE(at, wide) : bytes.readUIntBE(at, wide);
  };
  const big = number(head, 2, 2) === 43;
  const at = number(head, big ? 8 : 4, big ? 8 : 4);
  const count = number(await read(at, 8), 0, big ? 8 : 2);
  const bytes = Math.min(count, MOST_ENTRIES) * (big ? 20 : 12);
  return { entries: await read(at + (big ? 8 : 2), bytes), big, number };
}

async function describe(read: Read): Promise<TiffTags> {
  const { entries, big, number } = await readDirectory(read);
  const found: TiffTags = { tiled: false };
  for (let at = 0; at + (big ? 20 : 12) <= entries.length; at += big ? 20 : 12) {
    const tag = number(entries, at, 2);
    if (tag === TILE_WIDTH) found.tiled = true;
    if (tag !== DESCRIPTION) continue;
    const length = Math.min(MOST_TEXT, number(entries, at + 4, big ? 8 : 4));
    const text = await read(number(entries, at + (big ? 12 : 8), big ? 8 : 4), length);
    const magnification = Number(/AppMag\s*=\s*([\d.]+)/.exec(text.toString("latin1"))?.[1]);
    if (magnification > 0) found.magnification = magnification;
  }
  return found;
}

/** The tags of a file; none for one that is cut off. */
export async function readTiffTags(path: string): Promise<TiffTags> {
  const file = await open(path, "r");
  const read: Read = async (position, bytes) => {
    const out = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(out, 0, bytes, position);
    return out.subarray(0, bytesRead);
  };
  try {
    return await describe(read);
  } catch (error) {
    if (error instanceof RangeError) return { tiled: false };
    throw error;
  } finally {
    await file.close();
  }
}
