/** Facts of the machine and the software that a report carries. */
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

export interface Hardware {
  processor: string;
  cores: number;
  memoryBytes: number;
  /** Instruction sets that decide the speed of matrix products. */
  features: string[];
  node: string;
}

const FEATURES = ["avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16"];

function processorFlags(): Set<string> {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? "";
  return new Set(line.split(/\s+/));
}

export function hardware(): Hardware {
  const flags = processorFlags();
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: cpus().length,
    memoryBytes: totalmem(),
    features: FEATURES.filter((feature) => flags.has(feature)),
    node: process.version,
  };
}

/** `AMD EPYC 9B14` with 2 cores -> `amd-epyc-9b14-2-cores`. */
export function hardwareSlug({ processor, cores }: Hardware): string {
  const name = processor.replace(/\(R\)|\(TM\)|CPU|Processor|@.*$/g, "");
  return `${name} ${cores} cores`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
