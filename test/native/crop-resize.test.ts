import { readFileSync } from "node:fs";
import t from "tap";
import { cropResize } from "../../lib/trainer.js";
import { packageRoot } from "../../lib/version.js";

interface Case {
  shape: [number, number, number];
  box: [number, number, number, number];
  size: number;
  flip: boolean;
  result: string;
}

const folder = `${packageRoot()}test/fixtures/pillow/`;
const fixture = JSON.parse(readFileSync(`${folder}resize.json`, "utf8")) as { cases: Case[] };

/** The same picture as in make.py. */
function pixels(height: number, width: number, channels: number): Uint8Array {
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const c = i % channels;
    const x = Math.floor(i / channels) % width;
    const y = Math.floor(i / (channels * width));
    const texture = (x * 7 + y * 13 + c * 31 + ((x * y) % 11) * 5) % 256;
    const stripes = ((Math.floor(x / 5) + Math.floor(y / 7) + c) % 2) * 255;
    return (x + y) % 9 < 4 ? texture : stripes;
  });
}

/** Antialiased bicubic interpolation of one line, in float64. */
function naiveLine(line: number[], size: number): number[] {
  const scale = line.length / size;
  const stretch = Math.max(scale, 1);
  const cubic = (x: number) => {
    const d = Math.abs(x);
    if (d >= 2) return 0;
    return d < 1 ? 1.5 * d ** 3 - 2.5 * d ** 2 + 1 : -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2;
  };
  return Array.from({ length: size }, (_, i) => {
    const weights = line.map((_, k) => cubic((k + 0.5 - (i + 0.5) * scale) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return line.reduce((total, value, k) => total + (value * (weights[k] as number)) / sum, 0);
  });
}

t.test("equals Pillow in every byte", async (t) => {
  for (const { shape, box, size, flip, result } of fixture.cases) {
    const [height, width, channels] = shape;
    const found = await cropResize({
      pixels: pixels(...shape),
      shape: [1, height, width, channels],
      crops: Float32Array.from(box),
      flips: Uint8Array.of(flip ? 1 : 0),
      size,
    });
    const expected = Float32Array.from(Buffer.from(result, "base64"), (byte) => byte / 255);
    t.same(found, expected, `${shape} cut to ${box}, size ${size}`);
  }
});

t.test("agrees with the definition in float64 where nothing is clipped", async (t) => {
  const [height, width, size] = [30, 44, 20];
  const smooth = (y: number, x: number) => Math.round(128 + 60 * Math.sin(x / 6) * Math.cos(y / 5));
  const rows = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => smooth(y, x)),
  );
  const across = rows.map((row) => naiveLine(row, size));
  const found = await cropResize({
    pixels: Uint8Array.from(rows.flat()),
    shape: [1, height, width, 1],
    crops: Float32Array.of(0, 0, height, width),
    flips: Uint8Array.of(0),
    size,
  });
  for (let x = 0; x < size; x++) {
    const down = naiveLine(
      across.map((row) => row[x] as number),
      size,
    );
    const worst = down.map((value, y) => Math.abs(value / 255 - (found[y * size + x] as number)));
    t.ok(Math.max(...worst) <= 1.01 / 255);
  }
});

t.test("edges of a box are rounded half to even; samples are independent", async (t) => {
  const shape: [number, number, number, number] = [3, 20, 20, 3];
  const one = pixels(20, 20, 3);
  const all = new Uint8Array(3 * one.length);
  for (let i = 0; i < 3; i++) all.set(one, i * one.length);
  const found = await cropResize({
    pixels: all,
    shape,
    crops: Float32Array.of(2.4, 3.5, 10.2, 8, 2, 4, 11, 8, 2, 4, 11, 8),
    flips: Uint8Array.of(0, 0, 1),
    size: 16,
  });
  const images = [0, 1, 2].map((i) => found.slice(i * 768, (i + 1) * 768));
  t.same(images[0], images[1]);
  t.notSame(images[1], images[2]);
});

t.test("an empty batch gives an empty result", async (t) => {
  const found = await cropResize({
    pixels: new Uint8Array(0),
    shape: [0, 8, 8, 3],
    crops: new Float32Array(0),
    flips: new Uint8Array(0),
    size: 16,
  });
  t.equal(found.length, 0);
});

t.test("refuses what does not fit", async (t) => {
  const good = {
    pixels: pixels(8, 8, 3),
    shape: [1, 8, 8, 3] as [number, number, number, number],
    crops: Float32Array.of(0, 0, 8, 8),
    flips: Uint8Array.of(0),
    size: 16,
  };
  const wrong = [
    { pixels: new Uint8Array(3) },
    { shape: [1, 8, 8, 2] as [number, number, number, number], pixels: new Uint8Array(128) },
    { crops: Float32Array.of(0, 0, 9, 8) },
    { crops: Float32Array.of(0, 0, Number.NaN, 8) },
    { crops: Float32Array.of(0, 0, 0, 8) },
    { flips: new Uint8Array(2) },
    { size: 0 },
    { size: 1.5 },
  ];
  for (const change of wrong) {
    await t.rejects(cropResize({ ...good, ...change }), { code: "E_ARGUMENT" });
  }
});
