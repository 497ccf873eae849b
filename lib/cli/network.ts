/** What `buffer`, `embed` and `reconstruct` share: the options of a finished network, progress and interruption. */
import type { Command } from "commander";
import { gatherConfig, type PlainObject } from "../config/parse.js";
import { MedcossError } from "../errors.js";
import type { ReplayHooks } from "../replay/features.js";
import { collect, numeric } from "./common.js";
import { bars, stopOnSignals } from "./watch.js";

/** Adds the options that choose network and records; `out` is a file or a folder. */
export function networkOptions(command: Command, out = "--out <file>"): Command {
  return command
    .option("--checkpoint <path>", "model file, or folder of a checkpoint, stage or run")
    .option("--store <folder>", "store that holds the records")
    .option("--modality <name>", "modality of the store")
    .option(out, out.includes("folder") ? "folder to write to" : "file to write");
}

/** Adds the options of how it is computed; `batched` where records are more than one batch. */
export function computeOptions(command: Command, batched = true): Command {
  command
    .option("--preset <name>", "corrected or published (default: the checkpoint's)")
    .option("--model <size>", "tiny, small, base or large (default: the checkpoint's)");
  if (batched)
    command.option("--batch-size <n>", "samples computed together (default 128)", numeric);
  return command
    .option("--device <device>", "cpu (default), cuda or cuda:N")
    .option("--precision <name>", "fp32 (default) or bf16")
    .option("--threads <n>", "threads of the process (default: physical cores)", numeric)
    .option("--seed <n>", "seed of every random draw (default: the checkpoint's)", numeric)
    .option("--config <file>", "JSON file with any field of the configuration")
    .option("--set <key=value>", "any field, such as features.mode=train; repeatable", collect)
    .option("--json", "print the result as JSON");
}

/** Options that are not fields of the configuration. */
const notFields = new Set(["config", "set", "json"]);

/** The configuration that file, flags and `--set` give. Throws E_CONFIG, also without `out`. */
export async function configOf(options: PlainObject): Promise<PlainObject & { out: string }> {
  const named = Object.entries(options).filter(([name]) => !notFields.has(name));
  const { out, ...config } = await gatherConfig({
    file: options.config as string | undefined,
    flags: Object.fromEntries(named),
    set: options.set as string[] | undefined,
  });
  if (out === undefined)
    throw new MedcossError("E_CONFIG", { field: "out", problem: "is missing" });
  return { ...config, out: out as string };
}

/** Runs `action` with a bar for each phase; SIGINT and SIGTERM stop it, a second one ends the process. */
export async function watched<T>(action: (hooks: ReplayHooks) => Promise<T>): Promise<T> {
  const { signal, release } = stopOnSignals("this piece of work");
  const { update, stop } = bars();
  const onProgress: ReplayHooks["onProgress"] = ({ phase, done, total }) =>
    update(done, total, phase);
  try {
    return await action({ signal, onProgress });
  } finally {
    stop();
    release();
  }
}
