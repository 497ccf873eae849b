/**
 * Runs in a process of its own: loads the addon and prints, as JSON, what it is or why it does not load.
 */
import { MedcossError } from "../errors.js";
import { buildInfo } from "../trainer.js";

function describe(): Record<string, string> {
  try {
    const info = buildInfo();
    const bf16 = info.bf16Hardware ? "bf16 in hardware" : "bf16 emulated";
    return {
      found: `${info.addon}, built for LibTorch ${info.libtorch}, ${info.cpuCapability}, ${bf16}`,
    };
  } catch (error) {
    if (!(error instanceof MedcossError)) throw error;
    return { problem: error.message, remedy: error.remedy };
  }
}

process.stdout.write(JSON.stringify(describe()));
