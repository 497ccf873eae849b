/** What `buffer`, `embed` and `reconstruct` share: the options of a finished network, progress and interruption. */
import type { Command } from "commander";
import type { PlainObject } from "../config/parse.js";
import { ExitCode } from "../errors.js";
import type { ReplayHooks } from "../replay/features.js";
import { collect, type Progress, progress } from "./common.js";

/** A number where the text is one; anything else is left for the schema to refuse. */
export const numeric = (text: string): number | string =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);

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

/** The fields of the configuration among a command's options. */
export function fieldsOf(options: PlainObject): PlainObject {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !notFields.has(name)));
}

/** Runs `action` with a bar for each phase; SIGINT and SIGTERM stop it, a second one ends the process. */
export async function watched<T>(action: (hooks: ReplayHooks) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    process.stderr.write("\nStopping after this piece of work; once more to stop at once.\n");
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop);
  let bar: Progress | undefined;
  let current = "";
  const onProgress: ReplayHooks["onProgress"] = ({ phase, done, total }) => {
    if (phase !== current) {
      bar?.stop();
      bar = progress(total, phase);
      current = phase;
    }
    bar?.update(done);
  };
  try {
    return await action({ signal: controller.signal, onProgress });
  } finally {
    bar?.stop();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
  }
}
