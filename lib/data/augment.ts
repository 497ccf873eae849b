/**
 * The published augmentations, as numbers that the native step carries out.
 *
 * Invariant: each function is pure; index is the sample's number in the batch.
 */
import type { Draws } from "../random.js";
import type { CropOptions } from "./batch-source.js";

/** Top, left, height, width in pixels. */
export type Crop = [top: number, left: number, height: number, width: number];

const TRIES = 10;

const fraction = (word: number): number => (word >>> 8) * 2 ** -24;

const below = (word: number, n: number): number => Math.floor((word / 2 ** 32) * n);

/** The middle of the image at the nearest allowed ratio. */
function centreCrop(height: number, width: number, ratio: [number, number]): Crop {
  const actual = width / height;
  const cut: [number, number] = [height, width];
  if (actual < ratio[0]) cut[0] = Math.round(width / ratio[0]);
  else if (actual > ratio[1]) cut[1] = Math.round(height * ratio[1]);
  return [Math.floor((height - cut[0]) / 2), Math.floor((width - cut[1]) / 2), ...cut];
}

/**
 * A random resized crop as torchvision draws it: area uniform in `scale`, aspect ratio log-uniform in `ratio`, ten
 * tries, then the centre. Try t uses block t of the draws.
 */
export function randomCrop(
  height: number,
  width: number,
  options: CropOptions,
  draws: Draws,
  index: number,
): Crop {
  const { scale, ratio } = options;
  const [low, high] = [Math.log(ratio[0]), Math.log(ratio[1])];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const [area, aspect, top, left] = draws.words(index, attempt);
    const target = height * width * (scale[0] + fraction(area) * (scale[1] - scale[0]));
    const quotient = Math.exp(low + fraction(aspect) * (high - low));
    const w = Math.round(Math.sqrt(target * quotient));
    const h = Math.round(Math.sqrt(target / quotient));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return [below(top, height - h + 1), below(left, width - w + 1), h, w];
  }
  return centreCrop(height, width, ratio);
}

/** Left-right mirror with probability 1/2 (bit 0). */
export function imageFlip(draws: Draws, index: number): number {
  return fraction(draws.words(index)[0]) < 0.5 ? 1 : 0;
}

/** With probability 1/2 nothing; else each of x, y, z (bits 0, 1, 2) with probability 1/2. */
export function volumeFlips(draws: Draws, index: number): number {
  const [enter, ...axes] = draws.words(index);
  if (fraction(enter) >= 0.5) return 0;
  return axes.reduce((bits, word, axis) => bits | (fraction(word) < 0.5 ? 1 << axis : 0), 0);
}
