/** Times of single kernels, by Nsight Compute where the machine has it, with the GPU's clocks as they are. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/** @typedef {{ kernel: string, ms: number }} Launch */

const UNITS = { ns: 1e-6, us: 1e-3, ms: 1, nsecond: 1e-6, usecond: 1e-3, msecond: 1 };

/** The program, if the machine has it. @returns {string | undefined} */
export function findNcu() {
  const folders = ["/usr/local/cuda/bin", ...(process.env.PATH ?? "").split(":")];
  const known = "/opt/nvidia/nsight-compute";
  if (existsSync(known)) folders.push(...readdirSync(known).map((name) => join(known, name)));
  return folders.map((folder) => join(folder, "ncu")).find((file) => existsSync(file));
}

/**
 * Every kernel that a command starts, in order, but for the first `skipped`. Each takes 17 ms to time.
 * @param {string[]} command @param {number} [skipped] @returns {Promise<Launch[]>}
 * @throws where ncu fails or takes longer than a minute
 */
export async function kernelTimes(command, skipped = 0) {
  const options = [
    ...["--clock-control", "none", "--metrics", "gpu__time_duration.sum", "--csv"],
    ...["--launch-skip", String(skipped)],
  ];
  const limits = { maxBuffer: 1 << 28, timeout: 60_000 };
  const ncu = findNcu() ?? "ncu";
  const { stdout } = await promisify(execFile)(ncu, [...options, ...command], limits);
  const lines = stdout.split("\n").filter((line) => line.startsWith('"'));
  const cells = lines.map((line) => line.slice(1, -1).split('","'));
  const at = (/** @type {string} */ name) => cells[0]?.indexOf(name) ?? -1;
  return cells.slice(1).map((row) => {
    const unit = /** @type {keyof typeof UNITS} */ (row[at("Metric Unit")]);
    const value = Number((row[at("Metric Value")] ?? "").replaceAll(",", ""));
    return { kernel: row[at("Kernel Name")] ?? "", ms: value * (UNITS[unit] ?? 0) };
  });
}

/** A kernel's name without types and arguments, but for what tells LibTorch's apart. @param {string} name */
export function shortName(name) {
  const functor = /(\w+(?:_kernel_cuda|Functor|KernelImpl))/.exec(name.replace(/^[^<(]*/, ""));
  const head = name
    .replace(/^void /, "")
    .replaceAll("<unnamed>::", "")
    .replace(/[(<].*/, "")
    .replace(/^.*::/, "");
  return functor && functor[1] !== head ? `${head} ${functor[1]}` : head;
}

/** Sums by name, the longest first. @param {readonly Launch[]} launches */
export function byKernel(launches) {
  /** @type {Map<string, { kernel: string, calls: number, ms: number }>} */
  const kernels = new Map();
  for (const { kernel: name, ms } of launches) {
    const kernel = shortName(name);
    const found = kernels.get(kernel) ?? { kernel, calls: 0, ms: 0 };
    kernels.set(kernel, { kernel, calls: found.calls + 1, ms: found.ms + ms });
  }
  return [...kernels.values()].sort((a, b) => b.ms - a.ms);
}
