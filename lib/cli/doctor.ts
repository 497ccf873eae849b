/**
 * `medcoss doctor`: what is right and wrong with this machine and installation, with a remedy for each problem.
 */
import type { Command } from "commander";
import { diagnose } from "../doctor/diagnose.js";
import type { Check } from "../doctor/types.js";
import { ExitCode } from "../errors.js";
import { printJson, runCommand } from "./common.js";

const marks = { ok: "ok     ", note: "note   ", problem: "PROBLEM" } as const;

function lines(check: Check): string[] {
  const line = `${marks[check.state]}  ${check.name.padEnd(14)}  ${check.found}`;
  return check.remedy ? [line, `${" ".repeat(25)}${check.remedy}`] : [line];
}

async function doctor(options: { json?: boolean }): Promise<void> {
  const diagnosis = await diagnose();
  if (options.json) printJson(diagnosis);
  else process.stdout.write(`${diagnosis.checks.flatMap(lines).join("\n")}\n`);
  if (!diagnosis.healthy) process.exitCode = ExitCode.failed;
}

export function register(program: Command): void {
  program
    .command("doctor")
    .description(
      "check Node.js, the addon, LibTorch, GPU, memory and disk; exit with 1 where something is wrong",
    )
    .option("--json", "print the checks as JSON")
    .action((options: { json?: boolean }) => runCommand(() => doctor(options)));
}
