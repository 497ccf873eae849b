/**
 * Runs in a process of its own: loads the addon and prints, as JSON, what it is or why it does not load.
 */
import { type ErrorCode, MedcossError } from "../errors.js";
import { buildInfo } from "../trainer.js";

export type Answer = { found: string } | { code: ErrorCode; problem: string; remedy: string };

function describe(): Answer {
  try {
    const info = buildInfo();
    const bf16 = info.bf16Hardware ? "bf16 in hardware" : "bf16 emulated";
    return {
      found: `${info.addon}, built for LibTorch ${info.libtorch}, ${info.cpuCapability}, ${bf16}`,
    };
  } catch (error) {
    if (!(error instanceof MedcossError)) throw error;
    return { code: error.code, problem: error.message, remedy: error.remedy };
  }
}

process.stdout.write(JSON.stringify(describe()));
