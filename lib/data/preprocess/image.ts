/**
 * From a decoded image to a record: 8 bit, grey or RGB, stretched to a square.
 */
import sharp from "sharp";
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { DecodedImage } from "../formats/types.js";
import { extremes, toBytes } from "./display.js";

type Options = Preprocessing["xray"];

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
  const [low, high] = extremes(image.pixels);
  if (!(low < high)) throw new MedcossError("E_FILE_CONTENT", { problem: "a constant image" });
  const bytes = toBytes(image);
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
