import t from "tap";
import { stepFlops } from "../../benchmarks/cases/flops.js";

// Multiply-adds of a forward pass, worked out once by hand for the published sizes.
const embedding = 196 * 768 * 768;
const encoder = 12 * (50 * 12 * 768 ** 2 + 2 * 50 ** 2 * 768);
const decoder = 8 * (197 * 12 * 512 ** 2 + 2 * 197 ** 2 * 512);
const heads = 50 * 768 * 512 + 197 * 512 * 768;

t.test("an image's step is two operations per multiply-add, three passes", (t) => {
  t.equal(stepFlops("image2d"), 6 * (embedding + encoder + decoder + heads));
  t.end();
});

t.test("published estimates: about 58.7 GFLOP an image and 46.6 a volume", (t) => {
  t.ok(Math.abs(stepFlops("image2d") / 58.7e9 - 1) < 0.02);
  t.ok(Math.abs(stepFlops("volume3d") / 46.6e9 - 1) < 0.02);
  t.ok(stepFlops("text") > 2 * 3 * 112 * 85e6);
  t.end();
});
