/** `medcoss pack`: reports, images and volumes into a store. */
import type { Command } from "commander";
import { type Recipe, recipeNames } from "../config/pack.js";
import { gatherConfig } from "../config/parse.js";
import { type PackHooks, type PackProgress, type PackResult, pack } from "../data/pack/index.js";
import { MedcossError } from "../errors.js";
import {
  collect,
  formatDuration,
  formatRate,
  numeric,
  printJson,
  printTable,
  runCommand,
} from "./common.js";
import { bars, stopOnSignals } from "./watch.js";

interface Source {
  modality: string;
  recipe: Recipe;
  path: string;
}

/** Options that hold sources. */
const modalityFlags = {
  reports: "report",
  xray: "xray",
  ct: "ct",
  mri: "mri",
  pathology: "pathology",
} as const satisfies Record<string, Recipe>;

/** What a bare input kind stands for in `--source`. */
const kindRecipes: Record<string, Recipe> = {
  text: "report",
  image2d: "pathology",
  volume3d: "mri",
};

interface Options {
  out: string;
  sources: Source[];
  preset?: string;
  tokenizer?: string;
  splitColumn?: string;
  casePattern?: string;
  includeLabels?: boolean;
  hashPaths?: boolean;
  strict?: boolean;
  workers?: number;
  config?: string;
  set?: string[];
  json?: boolean;
}

function parseSource(text: string): Source {
  const found = /^([^=]+)=([^:]+):(.+)$/.exec(text);
  const [, modality = "", kind = "", path = ""] = found ?? [];
  const recipe = kindRecipes[kind] ?? recipeNames.find((name) => name === kind);
  if (found && recipe) return { modality, recipe, path };
  const kinds = [...Object.keys(kindRecipes), ...recipeNames].join(", ");
  const problem = `expected NAME=KIND:PATH with a kind of ${kinds}; received ${text}`;
  throw new MedcossError("E_CONFIG", { field: "--source", problem });
}

/** A bar for each modality, one after the other. */
function showProgress(): { hooks: PackHooks; stop(): void } {
  const { update, stop } = bars();
  const onProgress = ({ modality, done, files, rejected, ...rest }: PackProgress) => {
    const rate = `${rest.records} records, ${formatRate(rest.recordsPerSecond)}/s`;
    update(done, files, modality, rejected > 0 ? `${rate}, ${rejected} rejected` : rate);
  };
  return { hooks: { onProgress }, stop };
}

function printResult({ out, modalities, rejected, warnings }: PackResult): void {
  printTable(
    modalities.map(({ skipped, seconds, recordsPerSecond, ...counts }) => ({
      modality: counts.modality,
      files: counts.files,
      unchanged: counts.unchanged,
      rejected: counts.rejected,
      skipped: Object.values(skipped).reduce((a, b) => a + b, 0),
      added: counts.added,
      train: counts.train,
      validation: counts.validation,
      time: formatDuration(seconds),
      "records/s": Number(recordsPerSecond.toPrecision(3)),
    })),
  );
  const reasons = new Map<string, number>();
  for (const { skipped } of modalities) {
    for (const [reason, count] of Object.entries(skipped)) {
      reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    }
  }
  const list = (entries: Iterable<[string, number]>) =>
    [...entries].map(([reason, count]) => `${count} ${reason}`).join(", ");
  if (reasons.size > 0) process.stdout.write(`Skipped: ${list(reasons)}\n`);
  const codes = Object.entries(rejected);
  if (codes.length > 0) process.stdout.write(`Rejected: ${list(codes)} (see rejected.jsonl)\n`);
  process.stdout.write(`Store: ${out}\n`);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}

function noSources(): MedcossError {
  const flags = [...Object.keys(modalityFlags), "source"].map((name) => `--${name}`);
  const problem = `name what to pack with ${flags.join(", ")}`;
  return new MedcossError("E_CONFIG", { field: "sources", problem });
}

async function run(options: Options): Promise<void> {
  const { config: file, set, json, sources, ...rest } = options;
  const flags = { ...rest, sources: sources.length > 0 ? sources : undefined };
  const config = await gatherConfig({ file, flags, set });
  if (config.sources === undefined) throw noSources();
  const { hooks, stop } = showProgress();
  const { signal, release } = stopOnSignals("the running files");
  try {
    const result = await pack(config as unknown as Parameters<typeof pack>[0], {
      ...hooks,
      signal,
    });
    stop();
    if (json) printJson(result);
    else printResult(result);
  } finally {
    stop();
    release();
  }
}

export function register(program: Command): void {
  const sources: Source[] = [];
  const command = program
    .command("pack")
    .description(
      "decode and preprocess files and write them into a store, from which pretrain reads",
    )
    .requiredOption("--out <store>", "folder of the store; added to if it exists");
  for (const [flag, recipe] of Object.entries(modalityFlags)) {
    const what = `${recipe === "report" ? "tables or texts of reports" : recipe}: files or folders; may be repeated`;
    command.option(`--${flag} <path...>`, what, (path: string) => {
      sources.push({ modality: recipe, recipe, path });
      return path;
    });
  }
  command
    .option(
      "--source <name=kind:path>",
      "a modality of your own, kind text, image2d or volume3d; may be repeated",
      (text: string) => {
        sources.push(parseSource(text));
        return text;
      },
    )
    .option("--preset <name>", "published (default), or physical: volumes keep their proportions")
    .option(
      "--tokenizer <file>",
      "WordPiece tokenizer.json or vocab.txt for reports (default: uncased BERT)",
    )
    .option("--split-column <name>", "column of a table that says train, validation or test")
    .option("--case-pattern <regex>", "its first group in a file's path is the patient or case")
    .option("--include-labels", "pack files and folders that look like labels, too")
    .option("--hash-paths", "write digests in place of file and case names")
    .option("--strict", "exit with 1 when a file was rejected")
    .option("--workers <n>", "decoding processes; by default one per core", numeric)
    .option("--config <file>", "JSON file with any field of the configuration")
    .option("--set <key=value>", "any field, such as validation.share=0.2; repeatable", collect)
    .option("--json", "print the result as JSON")
    .action((options: Record<string, unknown>) => {
      const named = Object.fromEntries(
        Object.entries(options).filter(([key]) => !(key in modalityFlags) && key !== "source"),
      );
      return runCommand(() => run({ ...(named as unknown as Options), sources }));
    });
}
