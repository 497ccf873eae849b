/** Facts of the machine and the software that a report carries. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { buildInfo } from "../../lib/trainer.js";
import { packageVersion } from "../../lib/version.js";

export interface Hardware {
  processor: string;
  cores: number;
  memoryBytes: number;
  /** Instruction sets that decide the speed of matrix products. */
  features: string[];
  node: string;
  /** Of this package, and of the LibTorch that it runs on. */
  medcoss: string;
  libtorch: string;
  /** Name, driver and memory of the GPU that the run is for. */
  gpu?: string;
}

const FEATURES = ["avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16"];

function processorFlags(): Set<string> {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? "";
  return new Set(line.split(/\s+/));
}

/** Of `cuda` or `cuda:1`; the driver's own tool knows it. */
function gpuOf(device: string): string {
  const index = device.split(":")[1] ?? "0";
  const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
  const { stdout } = spawnSync("nvidia-smi", ["--id", index, ...query], { encoding: "utf8" });
  return stdout?.trim() || "unknown GPU";
}

export function hardware(device = "cpu"): Hardware {
  const flags = processorFlags();
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: cpus().length,
    memoryBytes: totalmem(),
    features: FEATURES.filter((feature) => flags.has(feature)),
    node: process.version,
    medcoss: packageVersion(),
    libtorch: buildInfo().libtorch,
    ...(device !== "cpu" && { gpu: gpuOf(device) }),
  };
}

/** `AMD EPYC 9B14` with 2 cores -> `amd-epyc-9b14-2-cores`; a GPU's run is named by the GPU. */
export function hardwareSlug({ processor, cores, gpu }: Hardware): string {
  const name = processor.replace(/\(R\)|\(TM\)|CPU|Processor|@.*$/g, "");
  const what = gpu === undefined ? `${name} ${cores} cores` : gpu.split(",")[0];
  return (what as string)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
