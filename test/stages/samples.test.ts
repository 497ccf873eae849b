import t from "tap";
import type { Batch } from "../../lib/batch.js";
import { sampleCount, takeSamples } from "../../lib/stages/samples.js";

const text: Batch = {
  kind: "text",
  ids: Int32Array.from([1, 2, 3, 4, 5, 6]),
  lengths: Int32Array.from([2, 1, 2]),
  labels: Int32Array.from([-100, 2, -100, 4, 5, -100]),
};
const image: Batch = {
  kind: "image2d",
  pixels: Uint8Array.from([1, 2, 3]),
  shape: [3, 1, 1, 1],
  crops: new Float32Array(12).fill(1),
  flips: Uint8Array.from([0, 1, 0]),
};
const volume: Batch = {
  kind: "volume3d",
  voxels: Int16Array.from([1, 2, 3]),
  shape: [3, 1, 1, 1],
  scale: 2,
  offset: 1,
  flips: Uint8Array.from([7, 1, 0]),
};

t.test("the first samples of each kind", async (t) => {
  t.same(takeSamples(text, 2), {
    kind: "text",
    ids: Int32Array.from([1, 2, 3, 4]),
    lengths: Int32Array.from([2, 1]),
    labels: Int32Array.from([-100, 2, -100, 4]),
  });
  t.same(takeSamples(image, 1), {
    kind: "image2d",
    pixels: Uint8Array.from([1]),
    shape: [1, 1, 1, 1],
    crops: new Float32Array(4).fill(1),
    flips: Uint8Array.from([0]),
  });
  t.same(takeSamples(volume, 2), {
    kind: "volume3d",
    voxels: Int16Array.from([1, 2]),
    shape: [2, 1, 1, 1],
    scale: 2,
    offset: 1,
    flips: Uint8Array.from([7, 1]),
  });
});

t.test("no more than there are", async (t) => {
  for (const batch of [text, image, volume]) t.equal(sampleCount(takeSamples(batch, 9)), 3);
});
