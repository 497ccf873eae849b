/**
 * JPEG, PNG and TIFF through sharp (libvips): 8 and 16 bit, palette, transparency, CMYK, turned upright by EXIF.
 */
import sharp, { type Metadata, type Sharp } from "sharp";
import { MedcossError } from "../../errors.js";
import { isTiff } from "./tiff-tags.js";
import {
  checkLimit,
  type DecodedImage,
  type DecodeOptions,
  decoding,
  type ImageFormat,
} from "./types.js";

sharp.cache(false);

const NAMES: Record<string, string> = { jpeg: "JPEG", png: "PNG", tiff: "TIFF" };
const NAME = "JPEG, PNG or TIFF";

/** Whether a colour image is grey in fact. */
function allEqual(pixels: ArrayLike<number>, channels: number): boolean {
  for (let i = 0; i < pixels.length; i += channels) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
  }
  return true;
}

function firstChannel<T extends Uint8Array | Uint16Array>(pixels: T, channels: number): T {
  const count = pixels.length / channels;
  const out = pixels.slice(0, count) as T;
  for (let i = 0; i < count; i++) out[i] = pixels[i * channels] as number;
  return out;
}

/** Transparent parts become white, as paper and glass slides are. */
function flattened(image: Sharp, metadata: Metadata): Sharp {
  return metadata.hasAlpha ? image.flatten({ background: "#ffffff" }) : image;
}

async function decode(path: string, { limits }: DecodeOptions): Promise<DecodedImage> {
  const open = () =>
    sharp(path, { failOn: "error", limitInputPixels: false, sequentialRead: true });
  const metadata = await open().metadata();
  if (!(metadata.format in NAMES)) {
    const problem = `${metadata.format ?? "unknown"} under the name of another format`;
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "images", problem });
  }
  checkLimit(metadata.width * metadata.height, limits.pixels, "pixels");
  const deep = metadata.depth === "ushort";
  const upright = flattened(open().autoOrient(), metadata);
  const grey = metadata.space === "b-w" || metadata.space === "grey16";
  const space = deep ? (grey ? "grey16" : "rgb16") : grey ? "b-w" : "srgb";
  const { data, info } = await upright
    .toColourspace(space)
    .raw({ depth: deep ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { height, width, channels } = info;
  const values = deep
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Uint8Array(data);
  const single = channels < 3 || allEqual(values, channels);
  return {
    kind: "image2d",
    pixels: single && channels > 1 ? firstChannel(values, channels) : values,
    height,
    width,
    channels: single ? 1 : 3,
    dtype: deep ? "uint16" : "uint8",
  };
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
