/** The augmentation of images on its own, as steps carry it out. */
import type { ImageBatch } from "../batch.js";
import { MedcossError } from "../errors.js";
import { cropResize } from "../trainer.js";

/**
 * Each image of a batch of bytes cut to its crop (without crops: whole), resized to `size` x `size` by Pillow's
 * antialiased bicubic, mirrored by its flip and divided by 255: [B,size,size,C] in [0,1]. Runs on all threads of
 * LibTorch, not on this one. `into`, an array of that length on a SharedArrayBuffer, takes the result in place of new
 * memory, which costs more than the work on large batches; leave it alone until then. Throws E_ARGUMENT.
 */
export async function augmentImages(
  batch: ImageBatch,
  size = 224,
  into?: Float32Array,
): Promise<Float32Array> {
  const { pixels, shape } = batch;
  const [count, height, width] = shape;
  if (!(pixels instanceof Uint8Array)) {
    throw new MedcossError("E_ARGUMENT", {
      expected: "a Uint8Array",
      argument: "pixels",
      received: "a Float32Array",
    });
  }
  const whole = () =>
    Float32Array.from({ length: count * 4 }, (_, i) => [0, 0, height, width][i % 4] as number);
  const { crops = whole(), flips = new Uint8Array(count) } = batch;
  return cropResize({ pixels, shape, crops, flips, size, ...(into && { into }) });
}
