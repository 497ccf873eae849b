/**
 * The CUDA kernels, compiled for the host and run thread by thread (simt/), against definitions in float64. Memory behind
 * the end of each buffer faults, and what is around results must not change.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import t from "tap";
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

/** Compiles a program of simt/ with the kernels that it calls, and runs it. */
function compare(into: string, name: string, kernels: string[]): Comparison[] {
  const program = join(into, name);
  const sources = [
    join(folder, `${name}.cpp`),
    join(folder, "simt.cpp"),
    ...kernels.map((kernel) => join(root, "native/ops/cuda", kernel)),
  ];
  const paths = [`-I${folder}`, `-I${join(root, "native")}`];
  execFileSync(process.env.CXX ?? "c++", [
    ...[...flags, ...paths, "-x", "c++", ...sources],
    ...["-o", program],
  ]);
  const lines = execFileSync(program, { encoding: "utf8", maxBuffer: 1 << 26 })
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Comparison);
}

const programs: Record<string, string[]> = {
  block: ["block_columns.cu", "block_norm.cu", "block_norm_backward.cu", "block_residual.cu"],
  losses: ["feature_distance.cu", "patch_loss.cu"],
  optimizer: ["adamw.cu"],
};

for (const [name, kernels] of Object.entries(programs)) {
  t.test(`${name}: every result is within its bound`, { timeout: 600_000 }, async (t) => {
    const found = compare(t.testdir(), name, kernels);
    t.ok(found.length > 10, `${found.length} comparisons`);
    const wrong = found.filter(({ error, bound }) => !(error <= bound));
    t.same(wrong, []);
  });
}
