import t from "tap";
import type { ImageBatch } from "../../lib/batch.js";
import { augmentImages } from "../../lib/index.js";
import { cropResize } from "../../lib/trainer.js";

const shape: [number, number, number, number] = [2, 9, 7, 3];
const pixels = Uint8Array.from({ length: 2 * 9 * 7 * 3 }, (_, i) => (i * 37) % 256);

t.test("crops and flips of a batch are carried out", async (t) => {
  const crops = Float32Array.of(1, 2, 6, 4, 0, 0, 9, 7);
  const flips = Uint8Array.of(1, 0);
  const batch: ImageBatch = { kind: "image2d", pixels, shape, crops, flips };
  t.same(
    await augmentImages(batch, 11),
    await cropResize({ pixels, shape, crops, flips, size: 11 }),
  );
  t.equal((await augmentImages(batch)).length, 2 * 224 * 224 * 3);
});

t.test("without crops images are whole, and of their own size unchanged", async (t) => {
  const square: ImageBatch = { kind: "image2d", pixels: pixels.slice(0, 75), shape: [1, 5, 5, 3] };
  t.same(
    await augmentImages(square, 5),
    Float32Array.from(pixels.slice(0, 75), (byte) => byte / 255),
  );
});

t.test("the result goes into shared memory that is given", async (t) => {
  const batch: ImageBatch = { kind: "image2d", pixels, shape };
  const into = new Float32Array(new SharedArrayBuffer(4 * 2 * 6 * 6 * 3));
  t.equal(await augmentImages(batch, 6, into), into);
  t.same(Array.from(into), Array.from(await augmentImages(batch, 6)));
  const wrong = [
    new Float32Array(into.length),
    new Float32Array(new SharedArrayBuffer(4 * 2 * 6 * 6)),
    new Int32Array(new SharedArrayBuffer(into.byteLength)) as unknown as Float32Array,
    {} as Float32Array,
  ];
  for (const each of wrong) {
    await t.rejects(augmentImages(batch, 6, each), { code: "E_ARGUMENT", message: /into/ });
  }
});

t.test("values that are not bytes are refused", async (t) => {
  const batch: ImageBatch = { kind: "image2d", pixels: new Float32Array(pixels.length), shape };
  await t.rejects(augmentImages(batch), { code: "E_ARGUMENT", message: /Uint8Array/ });
});
