import t from "tap";
import { greyLevel, percentileWindow } from "../../lib/pictures/windows.js";

t.test("percentiles leave outliers and what is not finite out", (t) => {
  const values = Float32Array.from({ length: 1001 }, (_, i) => i);
  values[0] = Number.NaN;
  values[1000] = 1e9;
  const [low, high] = percentileWindow(values, 1, 99);
  t.ok(Math.abs(low - 11) <= 1 && Math.abs(high - 990) <= 1, `${low} to ${high}`);
  t.same(percentileWindow(new Float32Array(9).fill(4), 1, 99), [4, 5]);
  t.same(percentileWindow(new Float32Array(0), 1, 99), [0, 1]);
  t.end();
});

t.test("levels are clamped", (t) => {
  t.same(
    [-9, 0, 0.5, 1, 9].map((value) => greyLevel(value, [0, 1])),
    [0, 0, 128, 255, 255],
  );
  t.equal(greyLevel(Number.NaN, [0, 1]), 0);
  t.end();
});
