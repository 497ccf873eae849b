/** `medcoss buffer`: chooses the samples that later stages replay; joins, shortens and exports such choices. */
import type { Command } from "commander";
import type { BufferConfig } from "../config/features.js";
import type { PlainObject } from "../config/parse.js";
import { buildBuffer } from "../features/buffer.js";
import { type ExportConfig, exportBuffer } from "../features/export.js";
import { prepareOutput } from "../files.js";
import { type Buffer, readBuffer, writeBuffer } from "../replay/buffer-file.js";
import { describeBuffer } from "../replay/describe.js";
import { capBuffer, mergeBuffers } from "../replay/merge.js";
import { numeric, printJson, runCommand } from "./common.js";
import { printBuffer } from "./inspect-buffer.js";
import { computeOptions, configOf, networkOptions, watched } from "./network.js";

interface Written {
  out: string;
  json?: boolean;
}

function show(buffer: Buffer, { out, json }: Written): void {
  const found = describeBuffer(out, buffer);
  if (json) printJson(found);
  else printBuffer(found);
}

async function build(options: PlainObject): Promise<void> {
  const config = await configOf(options);
  const buffer = await watched((hooks) => buildBuffer(config as unknown as BufferConfig, hooks));
  show(buffer, { out: config.out, json: options.json === true });
}

async function write(buffer: Buffer, written: Written): Promise<void> {
  await prepareOutput(written.out);
  await writeBuffer(written.out, buffer);
  show(buffer, written);
}

async function merge(paths: string[], { budget, ...written }: Written & { budget?: string }) {
  const merged = mergeBuffers(await Promise.all(paths.map(readBuffer)));
  await write(budget === undefined ? merged : capBuffer(merged, budget), written);
}

async function cap(path: string, { budget, ...written }: Written & { budget: string }) {
  await write(capBuffer(await readBuffer(path), budget), written);
}

async function exported(path: string, options: Omit<ExportConfig, "buffer"> & { json?: boolean }) {
  const { json, ...rest } = options;
  const done = await exportBuffer({ buffer: path, ...rest });
  if (json) return printJson(done);
  const what = done.form === "csv" ? "rows" : "paths";
  process.stdout.write(`${done.samples} samples, ${done.entries} ${what} -> ${done.out}\n`);
}

function registerEdits(command: Command): void {
  command
    .command("merge")
    .description("join buffers of one modality and store; a record that several hold counts once")
    .argument("<buffers...>", "buffer.json files, or folders of stages")
    .requiredOption("--out <file>", "file to write")
    .option("--budget <n|size>", "most samples, or bytes of records such as 200MB", numeric)
    .option("--json", "print the result as JSON")
    .action((paths: string[], options) => runCommand(() => merge(paths, options)));
  command
    .command("cap")
    .description("shorten a buffer; the largest clusters lose their farthest samples first")
    .argument("<buffer>", "buffer.json, or the folder of a stage")
    .requiredOption("--out <file>", "file to write")
    .requiredOption("--budget <n|size>", "most samples, or bytes of records such as 200MB", numeric)
    .option("--json", "print the result as JSON")
    .action((path: string, options) => runCommand(() => cap(path, options)));
}

function registerExport(command: Command): void {
  command
    .command("export")
    .description("write the published form: CSV of reports, JSON of images, TXT of volumes")
    .argument("<buffer>", "buffer.json, or the folder of a stage")
    .requiredOption("--store <folder>", "store that the buffer was made from")
    .requiredOption("--out <file>", "file to write, or a folder that gets the published name")
    .option("--reports <file...>", "reports: the tables that the store was packed from")
    .option("--root <folder...>", "images: the folders that the store was packed from")
    .option("--json", "print the result as JSON")
    .action((path: string, { root, ...options }) =>
      runCommand(() => exported(path, { ...options, roots: root })),
    );
}

function registerBuild(command: Command): void {
  const made = command
    .command("build", { isDefault: true })
    .description("choose the samples; `build` may be left out");
  networkOptions(made)
    .option("--method <name>", "kmeans (default), random or herding")
    .option("--share <n>", "share of the samples that is kept (default 0.05)", numeric)
    .option("--centres <n>", "k-means centres as a share of the samples (default 0.01)", numeric)
    .option("--restarts <n>", "runs of k-means, the best of which counts (default 10)", numeric)
    .option("--max-iterations <n>", "most iterations of a run (default 300)", numeric)
    .option("--tolerance <n>", "movement of the centres that ends a run (default 1e-4)", numeric)
    .option("--budget <n|size>", "most samples, or bytes of records such as 200MB", numeric);
  computeOptions(made).action((options: PlainObject) => runCommand(() => build(options)));
}

export function register(program: Command): void {
  const command = program
    .command("buffer")
    .description("choose the samples of a modality that later stages replay");
  registerBuild(command);
  registerEdits(command);
  registerExport(command);
}
