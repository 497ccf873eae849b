import t from "tap";
import { imageFlip, randomCrop, volumeFlips } from "../../lib/data/augment.js";
import { Draws, Purpose } from "../../lib/random.js";

const draws = new Draws(3, 1, 0, Purpose.crop);
const published = { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] } as const;
const options = { scale: [...published.scale], ratio: [...published.ratio] } as {
  scale: [number, number];
  ratio: [number, number];
};

t.test("crops lie inside, cover 20 to 100 % and keep the ratio's bounds", async (t) => {
  let area = 0;
  let ratio = 0;
  for (let i = 0; i < 4000; i++) {
    const [top, left, height, width] = randomCrop(224, 224, options, draws, i);
    t.ok(top >= 0 && left >= 0 && top + height <= 224 && left + width <= 224);
    const share = (height * width) / 224 ** 2;
    t.ok(share > 0.19 && share <= 1 && width / height > 0.74 && width / height < 1.35);
    area += share;
    ratio += Math.log(width / height);
  }
  // Wide and tall crops of large areas do not fit, so the mean is below that of the uniform draw.
  t.ok(Math.abs(area / 4000 - 0.54) < 0.01, `mean area ${area / 4000}`);
  t.ok(Math.abs(ratio / 4000) < 0.01, `mean log ratio ${ratio / 4000}`);
});

t.test("where no try fits the centre is taken, within the ratio's bounds", async (t) => {
  const full = { scale: [1, 1] as [number, number], ratio: options.ratio };
  t.same(randomCrop(100, 1000, full, draws, 0), [0, 433, 100, 133]);
  t.same(randomCrop(1000, 100, full, draws, 0), [433, 0, 133, 100]);
  const never = { scale: [4, 4] as [number, number], ratio: options.ratio };
  t.same(randomCrop(100, 110, never, draws, 0), [0, 0, 100, 110]);
});

t.test(
  "flips: half of the images, each axis of a quarter of the volumes, none of 9 in 16",
  async (t) => {
    const flip = new Draws(3, 1, 0, Purpose.flip);
    const n = 8000;
    let images = 0;
    const counts = new Uint32Array(8);
    for (let i = 0; i < n; i++) {
      images += imageFlip(flip, i);
      const bits = volumeFlips(flip, i);
      counts[bits] = (counts[bits] ?? 0) + 1;
    }
    t.ok(Math.abs(images / n - 0.5) < 0.02);
    const axis = (bit: number) =>
      counts.reduce((sum, count, bits) => sum + (bits & bit ? count : 0), 0) / n;
    for (const bit of [1, 2, 4]) t.ok(Math.abs(axis(bit) - 0.25) < 0.02, `axis ${bit}`);
    t.ok(Math.abs((counts[0] as number) / n - 9 / 16) < 0.02);
  },
);
