/**
 * JPEG, PNG and TIFF through sharp (libvips): 8 and 16 bit, palette, transparency, CMYK, turned upright by EXIF; TIFF
 * with signed, 32-bit and floating-point values, too.
 */
import sharp, { type Metadata, type Sharp } from "sharp";
import type { Limits } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { readHead } from "./head.js";
import { isTiff } from "./tiff-tags.js";
import {
  checkLimit,
  type DecodedImage,
  type DecodeOptions,
  decoding,
  type ImageFormat,
} from "./types.js";

sharp.cache(false);

/** What a file holds, before it is made ready to be shown. */
export interface StoredImage extends Pick<DecodedImage, "pixels" | "height" | "width" | "dtype"> {
  /** 1, 3, and one more where some parts are transparent. */
  channels: number;
  /** Name of the format. */
  format: string;
}

const NAMES: Record<string, string> = { jpeg: "JPEG", png: "PNG", tiff: "TIFF" };
const NAME = "JPEG, PNG or TIFF";
/** Types by libvips' names of what is neither 8 nor 16 bit unsigned. */
const WIDE: Record<string, string> = {
  char: "int8",
  short: "int16",
  int: "int32",
  uint: "uint32",
  float: "float32",
};

/** Whether a colour image is grey in fact. */
function allEqual(pixels: ArrayLike<number>, channels: number): boolean {
  for (let i = 0; i < pixels.length; i += channels) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
  }
  return true;
}

function firstChannel<T extends Raw["values"]>(pixels: T, channels: number): T {
  const count = pixels.length / channels;
  const out = pixels.slice(0, count) as T;
  for (let i = 0; i < count; i++) out[i] = pixels[i * channels] as number;
  return out;
}

interface Opened {
  metadata: Metadata;
  open(): Sharp;
}

async function openImage(path: string, limits: Limits): Promise<Opened> {
  // Below "warning" libvips fills what is missing of a TIFF with black.
  const failOn = isTiff(await readHead(path)) ? "warning" : "error";
  const open = () => sharp(path, { failOn, limitInputPixels: false, sequentialRead: true });
  const metadata = await open().metadata();
  if (!(metadata.format in NAMES)) {
    const problem = `${metadata.format ?? "unknown"} under the name of another format`;
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "images", problem });
  }
  checkLimit(metadata.width * metadata.height, limits.pixels, "pixels");
  return { metadata, open };
}

/** Values as libvips hands them out, with the alpha channel where there is one. */
interface Raw {
  values: Uint8Array | Uint16Array | Float32Array;
  height: number;
  width: number;
  channels: number;
  dtype: string;
}

/** 8 and 16 bit. */
async function readBytes(upright: Sharp, { depth, space }: Metadata): Promise<Raw> {
  const deep = depth === "ushort";
  const grey = space === "b-w" || space === "grey16";
  const { data, info } = await upright
    .toColourspace(deep ? (grey ? "grey16" : "rgb16") : grey ? "b-w" : "srgb")
    .raw({ depth: deep ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const values = deep
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Uint8Array(data);
  return { ...size(info), values, dtype: deep ? "uint16" : "uint8" };
}

/** Signed, 32-bit and floating-point TIFF, which libvips would clip; it takes signed 16 bit for unsigned. */
async function readWide(upright: Sharp, { depth, space, hasAlpha }: Metadata): Promise<Raw> {
  const signed = depth === "short";
  const dtype = WIDE[depth];
  if (!dtype || hasAlpha || (space === "grey16") !== signed) {
    const problem = `${depth} samples in ${space}`;
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "images", problem });
  }
  const { data, info } = await (signed ? upright.linear(1, 2 ** 15) : upright)
    .toColourspace(space)
    .raw({ depth: "float" })
    .toBuffer({ resolveWithObject: true });
  const values = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
  if (signed) for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) - 2 ** 15;
  return { ...size(info), values, dtype };
}

function size({ height, width, channels }: { height: number; width: number; channels: number }) {
  return { height, width, channels };
}

async function decode(path: string, { limits }: DecodeOptions): Promise<DecodedImage> {
  const { metadata, open } = await openImage(path, limits);
  const upright = open().autoOrient();
  // Transparent parts become white, as paper and glass slides are.
  const shown = metadata.hasAlpha ? upright.flatten({ background: "#ffffff" }) : upright;
  const plain = metadata.depth === "uchar" || metadata.depth === "ushort";
  const { values, channels, ...rest } = await (plain ? readBytes : readWide)(shown, metadata);
  const single = channels < 3 || allEqual(values, channels);
  const pixels = single && channels > 1 ? firstChannel(values, channels) : values;
  return { kind: "image2d", pixels, ...rest, channels: single ? 1 : 3 };
}

/** An image as stored: an alpha channel stays unless it is opaque. */
export async function readStored(path: string, options: DecodeOptions): Promise<StoredImage> {
  return decoding(NAME, path, async () => {
    const { metadata, open } = await openImage(path, options.limits);
    const format = NAMES[metadata.format] as string;
    if (metadata.hasAlpha && !(await open().stats()).isOpaque) {
      const { values, ...rest } = await readBytes(open().autoOrient(), metadata);
      return { ...rest, pixels: values, format };
    }
    return { ...(await decode(path, options)), format };
  });
}

function startsWith(head: Buffer, ...bytes: number[]): boolean {
  return head.subarray(0, bytes.length).equals(Buffer.from(bytes));
}

export const raster: ImageFormat = {
  name: NAME,
  kind: "image2d",
  endings: [".jpg", ".jpeg", ".png", ".tif", ".tiff", ".svs"],
  matches: (head) =>
    isTiff(head) ||
    startsWith(head, 0xff, 0xd8, 0xff) ||
    startsWith(head, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a),
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
