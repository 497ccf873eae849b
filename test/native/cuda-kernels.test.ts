/**
 * The CUDA kernels, compiled for the host and run thread by thread (simt/), against definitions in float64. Memory behind
 * the end of each buffer faults, and what is around results must not change.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { cropResize } from "../../lib/trainer.js";
import { packageRoot } from "../../lib/version.js";

interface Comparison {
  name: string;
  error: number;
  bound: number;
}

t.setTimeout(600_000);

const root = packageRoot();
const folder = join(root, "test/native/simt");
const flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"];

/** Compiles a program of simt/ with the kernels that it calls. */
function compile(into: string, name: string, kernels: string[]): string {
  const program = join(into, name);
  const sources = [
    join(folder, `${name}.cpp`),
    join(folder, "simt.cpp"),
    ...kernels.map((kernel) => join(root, "native/ops/cuda", kernel)),
  ];
  const paths = [folder, join(root, "test/native/cuda"), join(root, "native")].map(
    (path) => `-I${path}`,
  );
  const files = ["-x", "c++", ...sources, "-o", program];
  execFileSync(process.env.CXX ?? "c++", [...flags, ...paths, ...files]);
  return program;
}

function compare(program: string): Comparison[] {
  const lines = execFileSync(program, { encoding: "utf8", maxBuffer: 1 << 26 })
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Comparison);
}

const programs: Record<string, string[]> = {
  attention: ["attention_backward.cu", "attention_forward.cu"],
  block: [
    ...["block_columns.cu", "block_norm.cu", "block_norm_backward.cu"],
    ...["block_norm_backward_any.cu", "block_residual.cu"],
  ],
  losses: ["feature_distance.cu", "patch_loss.cu", "word_loss.cu"],
  optimizer: ["adamw.cu"],
  pictures: ["crop_resize.cu", "patches.cu"],
  rows: ["block_columns.cu", "rows_by_index.cu"],
};

/** Of `shape` [B,H,W,C], to `size`; boxes are top, left, height, width. */
interface Crops {
  shape: [number, number, number, number];
  size: number;
  boxes: number[];
}

const crops: Crops[] = [
  // Shortened and lengthened, tall boxes that are resized along the height first, whole images, odd corners.
  { shape: [3, 61, 47, 3], size: 16, boxes: [0, 0, 61, 47, 3, 5, 50, 9, 0.5, 1.5, 20, 33] },
  { shape: [2, 20, 90, 1], size: 32, boxes: [1, 2, 18, 80, 19, 89, 1, 1] },
  { shape: [2, 130, 17, 3], size: 16, boxes: [0, 0, 130, 17, 2.5, 3.5, 120, 12] },
  { shape: [1, 300, 280, 1], size: 20, boxes: [0, 0, 300, 280] },
];

/** Stripes of black and white, which overshoot, over a ramp. */
const pixelsOf = ([images, height, width, channels]: Crops["shape"]) =>
  Uint8Array.from({ length: images * height * width * channels }, (_, i) =>
    Math.floor(i / 7) % 3 === 0 ? (i * 31) % 256 : (Math.floor(i / 5) % 2) * 255,
  );

const flipsOf = ({ shape }: Crops) => Uint8Array.from({ length: shape[0] }, (_, i) => i % 2);

async function checkCrops(t: Test, program: string) {
  const directory = t.testdir();
  const [input, output] = [join(directory, "input"), join(directory, "output")];
  const parts = crops.flatMap((one) => [
    Buffer.from(BigInt64Array.from([...one.shape, one.size], BigInt).buffer),
    Buffer.from(Float32Array.from(one.boxes).buffer),
    flipsOf(one),
    pixelsOf(one.shape),
  ]);
  writeFileSync(input, Buffer.concat(parts));
  execFileSync(program, [input, output]);
  let found = readFileSync(output);
  for (const one of crops) {
    const pixels = pixelsOf(one.shape);
    const boxes = Float32Array.from(one.boxes);
    const expected = await cropResize({ ...one, pixels, crops: boxes, flips: flipsOf(one) });
    const bytes = Array.from(expected, (value) => Math.round(value * 255));
    t.same([...found.subarray(0, bytes.length)], bytes, `${one.shape} to ${one.size}`);
    found = found.subarray(bytes.length);
  }
  t.equal(found.length, 0);
}

for (const [name, kernels] of Object.entries(programs)) {
  t.test(`${name}: every result is within its bound`, { timeout: 600_000 }, async (t) => {
    const program = compile(t.testdir(), name, kernels);
    const found = compare(program);
    t.ok(found.length > 10, `${found.length} comparisons`);
    const wrong = found.filter(({ error, bound }) => !(error <= bound));
    t.same(wrong, []);
    if (name === "pictures") {
      await t.test("crops equal the CPU's in every byte", (t) => checkCrops(t, program));
    }
  });
}
