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

interface Outcome {
  contender: string;
  checks: number;
  cases: number;
}

async function ours(directory: string, device: string): Promise<Outcome> {
  const report = await runGolden(directory, { device });
  const [worst] = report.failures;
  if (worst) {
    throw new Error(
      `medcoss fails ${report.failed} golden checks, first ${worst.case}: ${worst.name}`,
    );
  }
  return { contender: "medcoss", checks: report.passed, cases: report.cases.length };
}

function peer(directory: string): Outcome {
  const { status, stdout, stderr } = spawnSync(peerPython(), [verifier, directory], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the PyTorch peer fails golden checks: ${stdout}${stderr}`);
  const checks = Number(/(\d+) passed/.exec(stdout)?.[1]);
  return { contender: "pytorch", checks, cases: stdout.match(/ worst /g)?.length ?? 0 };
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

export interface GoldenChecks {
  directory: string;
  device: string;
  /** Whether the plain peer takes part. */
  peers: boolean;
  /** Takes a line when a contender has passed. */
  say(line: string): void;
}

/**
 * Lines for the report.
 *
 * @throws where a contender fails a check
 */
export async function requireGolden(wanted: GoldenChecks): Promise<string[]> {
  const { directory, device, peers, say } = wanted;
  const verified = [() => ours(directory, device), ...(peers ? [() => peer(directory)] : [])];
  const lines: string[] = [];
  for (const verify of verified) {
    const start = performance.now();
    const { contender, checks, cases } = await verify();
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    say(
      `  ${contender}: all ${checks} values of ${cases} cases within their limits (${seconds} s)`,
    );
    lines.push(`Verified before timing: ${contender} passes all ${checks} golden checks in fp32`);
  }
  return lines;
}
