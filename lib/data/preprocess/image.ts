/**
 * From a decoded image to a record: 8 bit, grey or RGB, stretched to a square.
 */
import sharp from "sharp";
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { loadPixels } from "../../native/pixels.js";
import type { DecodedImage } from "../formats/types.js";
import { isConstant, toBytes } from "./display.js";

type Options = Pick<Preprocessing["xray"], "size" | "kernel" | "channels">;

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

interface Pixels {
  pixels: Uint8Array;
  height: number;
  width: number;
  channels: 1 | 3;
}

async function stretch(
  { pixels, height, width, channels }: Pixels,
  { size, kernel }: Options,
): Promise<Uint8Array> {
  // To the byte as Pillow does it.
  if (kernel === "cubic") return loadPixels().stretch(pixels, { height, width, channels, size });
  const resized = await sharp(pixels, { raw: { width, height, channels }, limitInputPixels: false })
    .resize(size, size, { fit: "fill", kernel })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  return new Uint8Array(resized);
}

/** A record [size,size,channels]; throws E_FILE_CONTENT for an image of one value. */
export async function prepareImage(image: DecodedImage, options: Options): Promise<Uint8Array> {
  if (isConstant(image.pixels)) {
    throw new MedcossError("E_FILE_CONTENT", { problem: "a constant image" });
  }
  const bytes = toBytes(image);
  const { height, width } = image;
  const isGrey = image.channels === 3 && options.channels === 1;
  const given: Pixels = isGrey
    ? { pixels: toGrey(bytes), height, width, channels: 1 }
    : { pixels: bytes, height, width, channels: image.channels };
  const record = await stretch(given, options);
  return given.channels === 1 && options.channels === 3 ? toColour(record) : record;
}
