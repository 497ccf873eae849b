/**
 * Golden values before any timing, for every contender.
 *
 * Invariant: a contender that fails one check ends the run.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runGolden } from "../../lib/golden/run.js";
import { peerScript } from "./place.js";
import { peerPython } from "./python.js";

const verifier = peerScript("verify_golden");

async function ours(directory: string, device: string): Promise<number> {
  const report = await runGolden(directory, { device });
  const [worst] = report.failures;
  if (worst) {
    throw new Error(
      `medcoss fails ${report.failed} golden checks, first ${worst.case}: ${worst.name}`,
    );
  }
  return report.passed;
}

function peer(directory: string): number {
  const { status, stdout, stderr } = spawnSync(peerPython(), [verifier, directory], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the PyTorch peer fails golden checks: ${stdout}${stderr}`);
  return Number(/(\d+) passed/.exec(stdout)?.[1]);
}

/** The checkout of the published repository, if it is one. */
export function hasReference(directory: string): string {
  const files = [
    "engine_pretrain.py",
    "engine_pretrain_er.py",
    "model/Unimodel.py",
    "util/misc.py",
  ];
  const missing = files.find((file) => !existsSync(join(directory, file)));
  if (missing !== undefined) {
    throw new Error(`${directory} is no checkout of the published repository: no ${missing} there`);
  }
  return directory;
}

/** Lines for the report. */
export async function requireGolden(directory: string, device: string): Promise<string[]> {
  const counts = { "PyTorch peer": peer(directory), medcoss: await ours(directory, device) };
  return Object.entries(counts).map(
    ([name, count]) => `Verified before timing: ${name} passes all ${count} golden checks in fp32`,
  );
}
