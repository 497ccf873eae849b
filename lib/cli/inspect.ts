/** `medcoss inspect`: what a checkpoint, run, store, buffer or input file is. */
import { access } from "node:fs/promises";
import type { Command } from "commander";
import { contentProblems } from "../checkpoints/content.js";
import { MedcossError } from "../errors.js";
import { type CheckpointDescription, describeCheckpoint } from "../stages/describe.js";
import { describeRun, type RunDescription } from "../stages/describe-run.js";
import { isRun } from "../stages/run-folder.js";
import { formatBytes, printJson, printTable, runCommand } from "./common.js";
import { describeIfBuffer, printBuffer } from "./inspect-buffer.js";
import { describeInput, printInput, writeSheet } from "./inspect-data.js";
import { describeIfPart, printPart } from "./inspect-part.js";
import { resultRows } from "./pretrain.js";

interface Options {
  json?: boolean;
  verify?: boolean;
  sheet?: string;
}

function holdings({ content, decoder, optimizer }: CheckpointDescription): string {
  if (content !== "network") return `no network: ${contentProblems[content]}`;
  const network = decoder ? "encoder, decoder and heads" : "encoder only";
  return optimizer ? `${network}, optimizer` : network;
}

function printCheckpoint(found: CheckpointDescription): void {
  const trained =
    found.step === undefined
      ? "unknown"
      : `stage ${found.stage} (${found.modality}), ${found.step} steps`;
  const lines = [
    `Checkpoint  ${found.path}`,
    `Model       ${found.model || "none"}: ${found.tensors} tensors, ${found.parameters.toLocaleString("en")} values, ${formatBytes(found.bytes)}`,
    `Trained     ${trained}`,
    `Holds       ${holdings(found)}`,
    `Digests     ${found.verified ? "verified" : "not compared"}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function progressOf({ running }: RunDescription): string {
  if (!running) return "not finished";
  const { modality, step, checkpoint, last } = running;
  const at = last && last.step !== step ? ` at step ${last.step}` : "";
  const loss =
    last?.loss == null ? "" : `, loss ${last.loss.toPrecision(4)}${at} in epoch ${last.epoch}`;
  return `not finished: ${modality} after ${step} steps${loss}; --resume goes on from ${checkpoint}`;
}

function printRun(found: RunDescription): void {
  const to = found.planned.slice(found.stages.length);
  const lines = [
    `Run         ${found.path}`,
    `State       ${found.finished ? "finished" : progressOf(found)}`,
    `Model       ${found.model}`,
    `Preset      ${found.preset}`,
    `Stages      ${found.planned.join(", ")}${to.length > 0 ? `; to do: ${to.join(", ")}` : ""}`,
    `Buffers     ${found.buffers.join(", ") || "none"}`,
    `Digests     ${found.verified ? "verified" : "not compared"}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  printTable(resultRows(found.stages));
}

/** Prints one description in its own form; false where it is not a checkpoint or run. */
async function inspectTrained(path: string, options: Options): Promise<boolean> {
  const verify = options.verify === true;
  if (await isRun(path)) {
    const found = await describeRun(path, verify);
    if (options.json) printJson(found);
    else printRun(found);
    return true;
  }
  try {
    const found = await describeCheckpoint(path, verify);
    if (options.json) printJson(found);
    else printCheckpoint(found);
    return true;
  } catch (error) {
    if (error instanceof MedcossError && error.code === "E_NO_CHECKPOINT") return false;
    throw error;
  }
}

async function run(path: string, options: Options): Promise<void> {
  await access(path).catch((cause) => {
    throw new MedcossError("E_SOURCE_MISSING", { path }, { cause });
  });
  const { sheet } = options;
  const buffer = sheet === undefined && (await describeIfBuffer(path));
  if (buffer) return options.json ? printJson(buffer) : printBuffer(buffer);
  const part = sheet === undefined && (await describeIfPart(path));
  if (part) return options.json ? printJson(part) : printPart(part);
  if (sheet === undefined && (await inspectTrained(path, options))) return;
  const found = await describeInput(path, { verify: options.verify === true });
  if (sheet !== undefined) await writeSheet(path, found, sheet);
  if (options.json) printJson(found);
  else printInput(found);
}

export function register(program: Command): void {
  program
    .command("inspect")
    .description("say what a checkpoint, store, run, buffer or input file is")
    .argument("<path>", "file or folder")
    .option("--json", "print the description as JSON")
    .option("--verify", "compare the digests of all files")
    .option("--sheet <file>", "write a contact sheet (PNG) of a store or an input file")
    .action((path: string, options: Options) => runCommand(() => run(path, options)));
}
