/**
 * From a decoded image to a record: 8 bit, grey or RGB, stretched to a square.
 */
import sharp from "sharp";
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { DecodedImage } from "../formats/types.js";

type Options = Preprocessing["xray"];

function extremes(pixels: ArrayLike<number>): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** 16-bit values spread over 8 bits from the least to the greatest, since files often use 10 or 12 bits of 16. */
function toBytes(pixels: Uint8Array | Uint16Array, [low, high]: [number, number]): Uint8Array {
  if (pixels instanceof Uint8Array) return pixels;
  const factor = 255 / (high - low);
  return Uint8Array.from(pixels, (value) => Math.round((value - low) * factor));
}

/** Luma as in ITU-R BT.601. */
function toGrey(pixels: Uint8Array): Uint8Array {
  const out = new Uint8Array(pixels.length / 3);
  for (let i = 0; i < out.length; i++) {
    const [r, g, b] = [pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]] as [
      number,
      number,
      number,
    ];
    out[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  return out;
}

function toColour(pixels: Uint8Array): Uint8Array {
  const out = new Uint8Array(pixels.length * 3);
  for (let i = 0; i < pixels.length; i++) out.fill(pixels[i] as number, 3 * i, 3 * i + 3);
  return out;
}

/** A record [size,size,channels]; throws E_FILE_CONTENT for an image of one value. */
export async function prepareImage(image: DecodedImage, options: Options): Promise<Uint8Array> {
  const range = extremes(image.pixels);
  if (range[0] === range[1])
    throw new MedcossError("E_FILE_CONTENT", { problem: "a constant image" });
  const bytes = toBytes(image.pixels, range);
  const { size, kernel } = options;
  const { width, height } = image;
  const grey = image.channels === 3 && options.channels === 1 ? toGrey(bytes) : bytes;
  const channels = grey === bytes ? image.channels : 1;
  const resized = await sharp(grey, { raw: { width, height, channels }, limitInputPixels: false })
    .resize(size, size, { fit: "fill", kernel })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  const record = new Uint8Array(resized);
  return channels === 1 && options.channels === 3 ? toColour(record) : record;
}
