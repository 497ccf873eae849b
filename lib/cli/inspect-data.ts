/** The part of `medcoss inspect` that is about input files and stores. */
import { stat } from "node:fs/promises";
import {
  describeFile,
  describeFolder,
  describeStore,
  type InputDescription,
  isStore,
  type StoreDescription,
} from "../data/describe.js";
import type { DescribedSeries } from "../data/describe-series.js";
import { MedcossError } from "../errors.js";
import { prepareOutput } from "../files.js";
import { formatBytes, printTable } from "./common.js";

export type Described = InputDescription | StoreDescription;

/** Describes a store or an input file. */
export async function describeInput(
  path: string,
  options: { verify: boolean } = { verify: false },
): Promise<Described> {
  if (await isStore(path)) return describeStore(path, options);
  if ((await stat(path)).isDirectory()) {
    const found = await describeFolder(path);
    if (found) return found;
    const problem = "a folder that is neither a store, a run, a checkpoint nor a DICOM series";
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "inspect", problem });
  }
  return describeFile(path);
}

/** Writes the contact sheet of what was described. */
export async function writeSheet(path: string, found: Described, file: string): Promise<void> {
  await prepareOutput(file);
  const { writeFileSheet, writeStoreSheet } = await import("../data/sheet.js");
  await (found.kind === "store" ? writeStoreSheet : writeFileSheet)(path, file);
  process.stderr.write(`Contact sheet: ${file}\n`);
}

function printStore({ path, bytes, modalities, tokenizer, verified }: StoreDescription): void {
  const lines = [
    `Store       ${path}`,
    `Size        ${formatBytes(bytes)}`,
    `Digests     ${verified ? "verified" : "not compared"}`,
  ];
  if (tokenizer) {
    lines.push(`Tokenizer   ${tokenizer.vocabulary} pieces, ${tokenizer.digest.slice(0, 12)}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  printTable(
    modalities.map(({ shape, bytes: size, ...rest }) => ({
      ...rest,
      shape: shape.join(" x "),
      size: formatBytes(size),
    })),
  );
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join(" x ");
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}

function oneLine(value: unknown): string {
  if (typeof value === "string") return value;
  const { files, shape } = value as DescribedSeries;
  return `${shape.join(" x ")} in ${files} files`;
}

/** Prints a description for people. */
export function printInput(found: Described): void {
  if (found.kind === "store") {
    printStore(found);
    return;
  }
  for (const [name, value] of Object.entries(found)) {
    if (value === undefined) continue;
    const list = name === "columns" || name === "series";
    const shown = list ? (value as unknown[]).map(oneLine).join(", ") : text(value);
    process.stdout.write(`${name.padEnd(12)}${shown}\n`);
  }
}
