/**
 * One DICOM image (CR, DX, and whatever else is a single frame): values after rescale, and how they are meant to be shown.
 */
import type { DataSet } from "dicom-parser";
import { checkLimit, type DecodedImage, type DecodeOptions, type Display } from "../types.js";
import {
  decimals,
  firstItem,
  type Header,
  isAnnotated,
  patientOf,
  readHeader,
  unsupportedDicom,
} from "./dataset.js";
import { lookUp, readLut } from "./palette.js";
import { readDataset } from "./read.js";
import { readFrame, type Samples } from "./samples.js";

/** Name of the samples' type, as stored. */
export function typeName({ bitsAllocated, signed }: Header): string {
  return `${signed ? "int" : "uint"}${bitsAllocated}`;
}

/** The first window of the file (PS3.3 C.11.2.1.2). */
function windowOf(dataset: DataSet): Display["window"] {
  const center = dataset.floatString("x00281050", 0);
  const width = dataset.floatString("x00281051", 0);
  if (center === undefined || width === undefined) return undefined;
  if (!Number.isFinite(center) || !(width > 0)) return undefined;
  const name = dataset.string("x00281056") ?? "LINEAR";
  if (name === "SIGMOID") return { center, width, shape: "sigmoid" };
  if (name === "LINEAR_EXACT") return { center, width, shape: "linear" };
  return width > 1 ? { center: center - 0.5, width: width - 1, shape: "linear" } : undefined;
}

function displayOf(dataset: DataSet, header: Header, slope: number, intercept: number): Display {
  const table = firstItem(dataset, "x00283010");
  const inverted =
    dataset.string("x20500020") === "INVERSE" || header.photometric === "MONOCHROME1";
  const read = header.signed ? "int16" : "uint16";
  const padding = dataset[read]("x00280120");
  return {
    inverted,
    window: windowOf(dataset),
    table: table && readLut(table, "x00283002", "x00283006"),
    padding: padding === undefined ? undefined : padding * slope + intercept,
  };
}

/** Values after the modality's table or line; the stored type where there is neither. */
function rescale(
  dataset: DataSet,
  samples: Samples,
): { pixels: DecodedImage["pixels"]; slope: number; intercept: number } {
  const table = firstItem(dataset, "x00283000");
  const lut = table && readLut(table, "x00283002", "x00283006");
  if (lut) {
    const pixels = Float32Array.from(samples, (value) => lookUp(lut, value));
    return { pixels, slope: 1, intercept: 0 };
  }
  const slope = decimals(dataset, "x00281053", 1)?.[0] || 1;
  const intercept = decimals(dataset, "x00281052", 1)?.[0] ?? 0;
  const plain = slope === 1 && intercept === 0;
  if (plain && (samples instanceof Uint8Array || samples instanceof Uint16Array)) {
    return { pixels: samples, slope, intercept };
  }
  return { pixels: Float32Array.from(samples, (v) => v * slope + intercept), slope, intercept };
}

function colourOf(samples: Samples, header: Header): Uint8Array | Uint16Array {
  if (samples instanceof Uint8Array || samples instanceof Uint16Array) return samples;
  return unsupportedDicom(`colour of ${typeName(header)}`);
}

/** Throws E_FILE_UNSUPPORTED for a file of several frames. */
export async function decodeDicomImage(
  path: string,
  { limits }: DecodeOptions,
): Promise<DecodedImage> {
  const dataset = await readDataset(path);
  const header = readHeader(dataset);
  const { rows: height, columns: width } = header;
  if (header.frames !== 1) unsupportedDicom(`${header.frames} frames in one file`, "images");
  checkLimit(height * width, limits.pixels, "pixels");
  const { samples, channels } = await readFrame(dataset, header, 0);
  const common = { height, width, channels, dtype: typeName(header) };
  const origin = { patient: patientOf(dataset), annotated: isAnnotated(dataset) };
  if (channels === 3) {
    return { kind: "image2d", pixels: colourOf(samples, header), ...common, ...origin };
  }
  const { pixels, slope, intercept } = rescale(dataset, samples.subarray(0, height * width));
  const display = displayOf(dataset, header, slope, intercept);
  return { kind: "image2d", pixels, display, ...common, ...origin };
}
