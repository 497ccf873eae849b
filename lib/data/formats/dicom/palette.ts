/**
 * Colours by lookup table (PS3.3 C.7.6.3.1.5).
 */
import type { DataSet } from "dicom-parser";
import { failDicom } from "./dataset.js";

export interface Lut {
  /** First value that the table maps. */
  first: number;
  values: Uint8Array | Uint16Array;
}

/** A lookup table from its descriptor and its data; undefined where they do not fit each other. */
export function readLut(dataset: DataSet, descriptor: string, data: string): Lut | undefined {
  const count = dataset.uint16(descriptor, 0) || 65_536;
  const first = dataset.int16(descriptor, 1) ?? 0;
  const element = dataset.elements[data];
  if (!element) return undefined;
  const wide = element.length >= 2 * count;
  if (!wide && element.length < count) return undefined;
  if (!wide) {
    const bytes = dataset.byteArray.slice(element.dataOffset, element.dataOffset + count);
    return { first, values: new Uint8Array(bytes) };
  }
  const values = Uint16Array.from({ length: count }, (_, i) => dataset.uint16(data, i) ?? 0);
  return { first, values };
}

/** The table's value, the nearest end outside it. */
export function lookUp({ first, values }: Lut, value: number): number {
  const at = Math.max(0, Math.min(values.length - 1, value - first));
  return values[at] as number;
}

/** [H,W,3] of 8 bits from palette numbers. */
export function fromPalette(dataset: DataSet, samples: ArrayLike<number>): Uint8Array {
  const channels = [0, 1, 2].map((c) => readLut(dataset, `x0028110${1 + c}`, `x0028120${1 + c}`));
  const out = new Uint8Array(samples.length * 3);
  channels.forEach((lut, c) => {
    if (!lut) failDicom("its palette is missing");
    const shift =
      lut.values instanceof Uint16Array && lut.values.some((value) => value > 255) ? 8 : 0;
    for (let i = 0; i < samples.length; i++) {
      out[3 * i + c] = lookUp(lut, samples[i] as number) >> shift;
    }
  });
  return out;
}
