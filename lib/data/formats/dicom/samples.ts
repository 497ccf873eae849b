/**
 * From a frame's bytes to numbers: bit depth, sign, byte order, and colour models to RGB.
 */
import type { DataSet } from "dicom-parser";
import { decodeFrame } from "./codecs.js";
import { type Header, unsupportedDicom } from "./dataset.js";
import { frameBytes } from "./frames.js";
import { fromPalette } from "./palette.js";

export type Samples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** A copy in the machine's byte order, which is little endian. */
function aligned(bytes: Uint8Array, bits: number, bigEndian: boolean): ArrayBuffer {
  const copy = Buffer.from(new Uint8Array(bytes).buffer);
  if (bigEndian && bits === 16) copy.swap16();
  if (bigEndian && bits === 32) copy.swap32();
  return copy.buffer as ArrayBuffer;
}

function typed(buffer: ArrayBuffer, bits: number, signed: boolean): Samples {
  const even = buffer.slice(0, buffer.byteLength - (buffer.byteLength % (bits / 8)));
  if (bits === 8) return signed ? new Int8Array(even) : new Uint8Array(even);
  if (bits === 16) return signed ? new Int16Array(even) : new Uint16Array(even);
  return signed ? new Int32Array(even) : new Uint32Array(even);
}

/** Leaves the stored bits alone and spreads their sign. */
function keepStored(samples: Samples, bits: number, stored: number, low: number): void {
  if (stored === bits) return;
  const up = bits - stored - low;
  const down = bits - stored;
  const wide = 32 - bits;
  const signed =
    samples instanceof Int8Array || samples instanceof Int16Array || samples instanceof Int32Array;
  for (let i = 0; i < samples.length; i++) {
    const shifted = (samples[i] as number) << (up + wide);
    samples[i] = signed ? shifted >> (down + wide) : shifted >>> (down + wide);
  }
}

function interleave(samples: Samples, pixels: number): Samples {
  const out = samples.slice();
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = samples[c * pixels + i] as number;
  }
  return out;
}

/** Full-range YCbCr as in JPEG (ITU-R BT.601), in place. */
function toRgb(samples: Uint8Array): void {
  const clamp = (value: number) => Math.max(0, Math.min(255, Math.round(value)));
  for (let i = 0; i < samples.length; i += 3) {
    const [y, cb, cr] = [samples[i], samples[i + 1], samples[i + 2]] as [number, number, number];
    samples[i] = clamp(y + 1.402 * (cr - 128));
    samples[i + 1] = clamp(y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128));
    samples[i + 2] = clamp(y + 1.772 * (cb - 128));
  }
}

async function decode(bytes: Uint8Array, header: Header): Promise<[Samples, boolean]> {
  const { bitsAllocated, bitsStored, highBit, signed, bigEndian } = header;
  if (header.native) {
    const samples = typed(aligned(bytes, bitsAllocated, bigEndian), bitsAllocated, signed);
    keepStored(samples, bitsAllocated, bitsStored, highBit - bitsStored + 1);
    return [samples, false];
  }
  const { bytes: decoded, bits, rgb } = await decodeFrame(bytes, header);
  const samples = typed(aligned(decoded, bits, false), bits, signed);
  keepStored(samples, bits, Math.min(bits, bitsStored), 0);
  return [samples, rgb];
}

/** Frame `frame` as [H,W] numbers, or [H,W,3] in RGB; palettes are looked up. */
export async function readFrame(
  dataset: DataSet,
  header: Header,
  frame: number,
): Promise<{ samples: Samples; channels: 1 | 3 }> {
  const { photometric, rows, columns } = header;
  const [samples, rgb] = await decode(frameBytes(dataset, header, frame), header);
  if (photometric.startsWith("PALETTE")) {
    return { samples: fromPalette(dataset, samples), channels: 3 };
  }
  if (header.samples === 1) return { samples, channels: 1 };
  const planar = header.native && header.planar;
  const colour = planar ? interleave(samples, rows * columns) : samples;
  if (photometric === "RGB" || rgb) return { samples: colour, channels: 3 };
  if (photometric !== "YBR_FULL" || !(colour instanceof Uint8Array)) {
    return unsupportedDicom(`the colour model ${photometric}`);
  }
  toRgb(colour);
  return { samples: colour, channels: 3 };
}
