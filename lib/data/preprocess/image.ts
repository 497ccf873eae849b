/**
 * From a decoded image to a record: 8 bit, grey or RGB, stretched to a square.
 */
import sharp from "sharp";
import type { Preprocessing } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import type { NativeBinding } from "../../native/types.js";
import type { DecodedImage } from "../formats/types.js";
import { isConstant, toBytes } from "./display.js";

type Options = Pick<Preprocessing["xray"], "size" | "kernel" | "channels">;

/** Cropping and resizing, as the addon does it. */
export type CropResize = NativeBinding["cropResize"];

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

/** The longest edge that the addon takes. */
const MOST_EDGE = 65536;

/** Pillow's bicubic filter, to the byte. */
async function stretchCubic(
  { pixels, height, width, channels }: Pixels,
  size: number,
  cropResize: CropResize,
): Promise<Uint8Array> {
  if (Math.max(height, width) > MOST_EDGE) {
    const claimed = `${height} x ${width} pixels`;
    throw new MedcossError("E_FILE_TOO_LARGE", { claimed, limit: `${MOST_EDGE} along an edge` });
  }
  const values = await cropResize({
    ...{ pixels, shape: [1, height, width, channels], size },
    ...{ crops: Float32Array.of(0, 0, height, width), flips: new Uint8Array(1) },
  });
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.round((values[i] as number) * 255);
  return bytes;
}

async function stretch(
  { pixels, height, width, channels }: Pixels,
  { size, kernel }: Options,
): Promise<Uint8Array> {
  const resized = await sharp(pixels, { raw: { width, height, channels }, limitInputPixels: false })
    .resize(size, size, { fit: "fill", kernel })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  return new Uint8Array(resized);
}

/** A record [size,size,channels]; throws E_FILE_CONTENT for an image of one value. */
export async function prepareImage(
  image: DecodedImage,
  options: Options,
  cropResize: CropResize,
): Promise<Uint8Array> {
  if (isConstant(image.pixels)) {
    throw new MedcossError("E_FILE_CONTENT", { problem: "a constant image" });
  }
  const bytes = toBytes(image);
  const { height, width } = image;
  const isGrey = image.channels === 3 && options.channels === 1;
  const given: Pixels = isGrey
    ? { pixels: toGrey(bytes), height, width, channels: 1 }
    : { pixels: bytes, height, width, channels: image.channels };
  const record =
    options.kernel === "cubic"
      ? await stretchCubic(given, options.size, cropResize)
      : await stretch(given, options);
  return given.channels === 1 && options.channels === 3 ? toColour(record) : record;
}
