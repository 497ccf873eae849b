/**
 * Slides that are too large to be held in memory, as `inspect` tells them: the library counts while it reads.
 */
import sharp from "sharp";
import { isSlide } from "./formats/slide.js";
import { decoding } from "./formats/types.js";

/** Larger pictures are counted and not held. */
const HELD_PIXELS = 2 ** 28;

interface SlideNumbers {
  shape: [number, number, number];
  dtype: string;
  min: number;
  max: number;
  mean: number;
}

/** Size and statistics of a slide of more than `most` pixels; undefined for a smaller one and for what is none. */
export async function countSlide(
  path: string,
  most = HELD_PIXELS,
): Promise<SlideNumbers | undefined> {
  if (!(await isSlide(path))) return undefined;
  return decoding("TIFF", path, async () => {
    const open = () => sharp(path, { failOn: "warning", limitInputPixels: false });
    const { width, height } = await open().metadata();
    if (width * height <= most) return undefined;
    const all = (await open().stats()).channels;
    const channels = all.slice(0, all.length < 3 ? 1 : 3);
    return {
      shape: [height, width, channels.length],
      dtype: "uint8",
      min: Math.min(...channels.map(({ min }) => min)),
      max: Math.max(...channels.map(({ max }) => max)),
      mean: channels.reduce((sum, { mean }) => sum + mean, 0) / channels.length,
    };
  });
}
