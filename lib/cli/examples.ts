/**
 * Examples below the help of each command.
 *
 * Invariant: every command that does something has one, and it names only options that the command has (tested).
 */
import type { Command } from "commander";

/** By the command's name without `medcoss`; "" is the program itself. */
const examples: Record<string, readonly string[]> = {
  "": ["demo", "pack --xray images/ --out STORE", "pretrain --store STORE --out RUN"],
  demo: ["demo --out /data/medcoss-demo"],
  pack: [
    "pack --reports reports.csv --xray images/ --ct scans/ --out STORE",
    "pack --source ultrasound=image2d:us/ --out STORE",
  ],
  pretrain: [
    "pretrain --store STORE --out RUN --model small --batch-size 16 --dry-run",
    "pretrain --store STORE --out RUN --model small --batch-size 16",
    "pretrain --store STORE --out RUN --model small --batch-size 16 --resume",
  ],
  "buffer build": ["buffer --checkpoint RUN --store STORE --modality xray --out xray.json"],
  "buffer merge": ["buffer merge a.json b.json --out both.json"],
  "buffer cap": ["buffer cap xray.json --budget 200MB --out small.json"],
  "buffer export": ["buffer export xray.json --store STORE --root images/ --out published/"],
  embed: ["embed --checkpoint RUN --store STORE --modality xray --out xray.npy"],
  reconstruct: [
    "reconstruct --checkpoint RUN/stages/03-ct --store STORE --modality ct --out pictures/",
  ],
  inspect: ["inspect RUN --verify", "inspect STORE --sheet records.png", "inspect scan.dcm"],
  convert: [
    "convert published.pth model.safetensors",
    "convert RUN/final/model.safetensors model.pth",
    "convert --encoder-only RUN/final encoder/",
  ],
  golden: ["golden golden/ --device cuda"],
  doctor: ["doctor", "doctor --json"],
  "libtorch install": ["libtorch install --cuda", "libtorch install --wheel wheels/*.whl"],
  "libtorch path": ["libtorch path"],
  "libtorch remove": ["libtorch remove"],
};

/** Name of a command below the program: `buffer build`. */
function nameOf(command: Command): string {
  if (command.parent === null) return "";
  return `${nameOf(command.parent)} ${command.name()}`.trim();
}

/** What stands below a command's help; empty where there is no example. */
export function examplesOf(command: Command): string {
  const lines = examples[nameOf(command)] ?? [];
  if (lines.length === 0) return "";
  const title = lines.length === 1 ? "Example" : "Examples";
  return `\n${title}:\n${lines.map((line) => `  npx medcoss ${line}`).join("\n")}`;
}

/** Adds the examples to the help of a command and of all below it. */
export function addExamples(command: Command): void {
  command.addHelpText("after", () => examplesOf(command));
  for (const each of command.commands) addExamples(each);
}
