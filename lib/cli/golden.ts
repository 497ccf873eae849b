/** `medcoss golden DIR`: recomputes a directory of golden values and tells each deviation. */
import type { Command } from "commander";
import { ExitCode } from "../errors.js";
import type { Check } from "../golden/checks.js";
import { type GoldenReport, runGolden } from "../golden/run.js";
import { printJson, printTable, runCommand } from "./common.js";

interface Options {
  device: string;
  json?: boolean;
}

function line(check: Check): string {
  const verdict = check.passed ? "ok    " : "FAILED";
  const numbers = `${check.deviation.toExponential(2)} of ${check.limit.toExponential(2)}`;
  return `${verdict} ${check.case}: ${check.name}: ${numbers}\n`;
}

function printReport(report: GoldenReport): void {
  const rows = report.cases.map(({ case: name, checks, failed, worst }) => ({
    case: name,
    checks,
    failed,
    "worst deviation": worst.deviation.toExponential(2),
    limit: worst.limit.toExponential(2),
    "share of limit": worst.share.toFixed(4),
    of: worst.name,
  }));
  process.stdout.write("\n");
  printTable(rows);
  process.stdout.write(`\n${report.passed} passed, ${report.failed} failed\n`);
}

async function golden(directory: string, options: Options): Promise<void> {
  const onCheck = (check: Check) => {
    if (!options.json) process.stdout.write(line(check));
  };
  const report = await runGolden(directory, { device: options.device, onCheck });
  if (options.json) printJson(report);
  else printReport(report);
  if (report.failed > 0) process.exitCode = ExitCode.failed;
}

export function register(program: Command): void {
  program
    .command("golden")
    .description("compare this build's results with stored reference values (golden values)")
    .argument("<dir>", "folder of golden.json and tensors.safetensors")
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .option("--json", "print the report as JSON")
    .action((directory: string, options: Options) => runCommand(() => golden(directory, options)));
}
