/** `medcoss embed`: features of a store's records as a NumPy file. */
import type { Command } from "commander";
import type { EmbedConfig } from "../config/features.js";
import type { PlainObject } from "../config/parse.js";
import { embed } from "../features/embed.js";
import { printJson, runCommand } from "./common.js";
import { computeOptions, configOf, networkOptions, watched } from "./network.js";

async function run(options: PlainObject): Promise<void> {
  const config = await configOf(options);
  const found = await watched((hooks) => embed(config as unknown as EmbedConfig, hooks));
  const { modality, part, samples, width } = found;
  const names = config.out.replace(/\.npy$/, ".jsonl");
  if (options.json) {
    printJson({ out: config.out, names, modality, part, samples, width });
    return;
  }
  process.stdout.write(
    `${samples} x ${width} features of ${modality} -> ${config.out}, ${names}\n`,
  );
}

export function register(program: Command): void {
  const command = program
    .command("embed")
    .description(
      "write the network's features of a modality's records as .npy, the records' names as .jsonl",
    );
  networkOptions(command).option("--part <name>", "train, validation or all (default)");
  computeOptions(command).action((options: PlainObject) => runCommand(() => run(options)));
}
