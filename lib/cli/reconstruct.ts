/** `medcoss reconstruct`: pictures of what a finished network makes of masked records. */
import type { Command } from "commander";
import type { ReconstructConfig } from "../config/features.js";
import type { PlainObject } from "../config/parse.js";
import { reconstruct } from "../features/reconstruct.js";
import { numeric, printJson, runCommand } from "./common.js";
import { computeOptions, configOf, networkOptions } from "./network.js";

async function run(options: PlainObject): Promise<void> {
  const config = await configOf(options);
  const done = await reconstruct(config as unknown as ReconstructConfig);
  for (const warning of done.warnings) process.stderr.write(`Warning: ${warning}\n`);
  if (options.json) return printJson(done);
  process.stdout.write(`${done.samples} records of ${done.modality} -> ${done.files.join(", ")}\n`);
}

export function register(program: Command): void {
  const command = program
    .command("reconstruct")
    .description("draw what a trained network predicts for the hidden parts of records");
  networkOptions(command, "--out <folder>").option(
    "--samples <n>",
    "records shown (default 6)",
    numeric,
  );
  computeOptions(command, false).action((options: PlainObject) => runCommand(() => run(options)));
}
