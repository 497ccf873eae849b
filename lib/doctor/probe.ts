/**
 * Runs in a process of its own: loads the addon and prints, as JSON, what it is or why it does not load.
 */
import { toMedcossError } from "../cli/common.js";
import { buildInfo } from "../trainer.js";

function describe(): Record<string, string> {
  try {
    const info = buildInfo();
    const bf16 = info.bf16Hardware ? "bf16 in hardware" : "bf16 emulated";
    return {
      found: `${info.addon}, built for LibTorch ${info.libtorch}, ${info.cpuCapability}, ${bf16}`,
    };
  } catch (error) {
    const known = toMedcossError(error);
    return { problem: known.message, remedy: known.remedy };
  }
}

process.stdout.write(JSON.stringify(describe()));
