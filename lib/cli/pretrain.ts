/** `medcoss pretrain`: the stages of a run one after another. */
import { join } from "node:path";
import type { Command } from "commander";
import { gatherConfig, type PlainObject } from "../config/parse.js";
import type { PretrainInput } from "../config/training.js";
import { writeLossCurves } from "../pictures/index.js";
import { type DryRun, dryRun } from "../stages/dry-run.js";
import { pretrain } from "../stages/pretrain.js";
import { isRun } from "../stages/run-folder.js";
import type { Hooks, RunResult, StageResult } from "../stages/types.js";
import {
  collect,
  formatBytes,
  formatDuration,
  numeric,
  printJson,
  printTable,
  runCommand,
  type TableRow,
} from "./common.js";
import { bars, stopOnSignals } from "./watch.js";

interface Options {
  config?: string;
  set?: string[];
  stages?: string;
  buffers?: string[];
  dryRun?: boolean;
  json?: boolean;
  [flag: string]: unknown;
}

/** Flags that are fields of the configuration under the same name. */
const fields = [
  "store",
  "out",
  "preset",
  "model",
  "epochs",
  "maxSteps",
  "batchSize",
  "accumulate",
  "device",
  "precision",
  "threads",
  "seed",
  "startFrom",
  "resume",
] as const;

function configFlags(options: Options): PlainObject {
  const flags: PlainObject = Object.fromEntries(fields.map((name) => [name, options[name]]));
  flags.stages = options.stages?.split(",").map((name) => name.trim());
  flags.buffers = options.buffers;
  flags.bufferStore = options.bufferStore;
  if (options.replay === false) flags.replay = false;
  return flags;
}

/** Four places, or four digits where distances of features are small. */
const formatLoss = (loss: number) => (loss < 0.01 ? loss.toExponential(3) : loss.toFixed(4));

/** A bar for each stage, and for each phase of its buffer. */
export function watch(signal: AbortSignal): { hooks: Hooks; stop(): void } {
  const { update, stop } = bars();
  let stage = { modality: "", steps: 0 };
  const hooks: Hooks = {
    signal,
    onStage({ done, ...started }) {
      stop();
      stage = started;
      if (done > 0) process.stderr.write(`Going on with ${stage.modality} after step ${done}.\n`);
      update(done, stage.steps, stage.modality);
    },
    onStep(row) {
      const loss = row.loss === null ? "not finite" : formatLoss(row.loss);
      const rate = `${row.samplesPerSecond.toFixed(1)} samples/s`;
      const what = row.kind === "replay" ? `replay of ${row.modality}` : row.kind;
      update(row.step, stage.steps, stage.modality, `${what} loss ${loss}  ${rate}`);
    },
    onBuffer({ modality, phase, done, total }) {
      update(done, total, `${modality} ${phase}`, "for the buffer");
    },
  };
  return { hooks, stop };
}

const change = ({ before, after }: StageResult["trainingLoss"]) =>
  `${before.toFixed(4)} -> ${after.toFixed(4)}`;

function resultRow(result: StageResult): TableRow {
  return {
    stage: `${result.stage} ${result.modality}`,
    steps: result.steps,
    "of them replay": result.replaySteps,
    samples: result.samples,
    "training loss": change(result.trainingLoss),
    "held-out loss": result.validationLoss && change(result.validationLoss),
    "samples/s": result.samplesPerSecond.toFixed(1),
  };
}

/** The table of a run's stages, as every command that trains shows it. */
export function resultRows(stages: readonly StageResult[]): TableRow[] {
  return stages.map(resultRow);
}

async function printResult(result: RunResult): Promise<void> {
  printTable(resultRows(result.stages));
  const skipped = result.stages.reduce((sum, stage) => sum + stage.skippedSteps, 0);
  if (skipped > 0) process.stdout.write(`${skipped} steps were skipped: loss not finite\n`);
  if (result.alreadyFinished) process.stdout.write("Finished before; nothing was changed\n");
  const files = [
    `Run          ${result.out}`,
    `Network      ${join(result.out, "final", "model.safetensors")}`,
    `Loss curves  ${(await writeLossCurves(result.out)).png}`,
    ...result.stages.flatMap(({ reconstructions }) =>
      reconstructions.map((path) => `Pictures     ${join(result.out, path)}`),
    ),
  ];
  process.stdout.write(`${files.join("\n")}\n`);
}

function printDryRun(plan: DryRun): void {
  printTable(
    plan.stages.map((stage) => ({
      stage: `${stage.stage} ${stage.modality}`,
      samples: stage.trainingSamples,
      steps: stage.steps,
      "of them replay": stage.replaySteps,
      "per step": formatDuration(stage.secondsPerStep),
      time: formatDuration(stage.seconds),
    })),
  );
  const free = (bytes: number | undefined) =>
    bytes === undefined ? "" : ` of ${formatBytes(bytes)} free`;
  const lines = [
    `Parameters  ${plan.parameters.toLocaleString("en")}`,
    `Time        about ${formatDuration(plan.seconds)}, without validation, buffers and checkpoints`,
    `Memory      about ${formatBytes(plan.memoryBytes)}${free(plan.memoryAvailable)}`,
    `Disk        at most ${formatBytes(plan.diskBytes)}${free(plan.diskAvailable)}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

async function train(config: PretrainInput, json: boolean): Promise<void> {
  const { signal, release } = stopOnSignals("this step and saving");
  const watching = watch(signal);
  try {
    const result = await pretrain(config, watching.hooks);
    watching.stop();
    if (json) printJson(result);
    else await printResult(result);
  } finally {
    watching.stop();
    release();
  }
}

/** A run that starts from another, whose buffers nobody gave. */
async function warnOfForgetting({ startFrom, buffers = [], replay }: PretrainInput): Promise<void> {
  if (startFrom === undefined || buffers.length > 0 || replay === false) return;
  if (!(await isRun(startFrom))) return;
  process.stderr.write(
    `Nothing of ${startFrom} is replayed, so it may be forgotten; --buffers ${startFrom} replays its buffers.\n`,
  );
}

async function run(options: Options): Promise<void> {
  const config = (await gatherConfig({
    file: options.config,
    flags: configFlags(options),
    set: options.set,
  })) as PretrainInput;
  const json = options.json === true;
  await warnOfForgetting(config);
  if (!options.dryRun) return train(config, json);
  const plan = await dryRun(config);
  if (json) printJson(plan);
  else printDryRun(plan);
}

export function register(program: Command): void {
  program
    .command("pretrain")
    .description("pre-train one network over the modalities of a store, one after another")
    .option("--store <folder>", "store to train on")
    .option("--out <folder>", "folder of the run")
    .option("--preset <name>", "corrected (default), or published: as the paper's code does it")
    .option("--model <size>", "tiny, small, base (default) or large")
    .option("--stages <names>", "modalities in order, with commas; default: all of the store")
    .option("--epochs <n>", "epochs of each stage (default 300)", numeric)
    .option(
      "--max-steps <n>",
      "most steps of each stage on its own modality; replay comes on top",
      numeric,
    )
    .option("--batch-size <n>", "samples of a step (default 8 for tiny, else 128)", numeric)
    .option(
      "--accumulate <n>",
      "parts of a batch that are computed one after another, to save memory (default 1)",
      numeric,
    )
    .option("--device <device>", "cpu (default), cuda or cuda:N")
    .option("--precision <name>", "fp32 (default) or bf16")
    .option("--threads <n>", "threads of the process (default: physical cores)", numeric)
    .option("--seed <n>", "seed of every random draw (default 0)", numeric)
    .option("--start-from <path>", "checkpoint to start the first stage from")
    .option("--buffers <paths...>", "buffers to replay: files, stage folders or finished runs")
    .option(
      "--buffer-store <folders...>",
      "stores that hold the records of --buffers, beside --store",
    )
    .option("--no-replay", "train each stage on its own modality alone")
    .option("--config <file>", "JSON file with any field of the configuration")
    .option("--set <key=value>", "any field, such as learningRate.peak=1e-3; repeatable", collect)
    .option("--resume", "go on with the run in --out, or start it")
    .option(
      "--dry-run",
      "train nothing: tell steps, time, memory and disk, and refuse what does not fit",
    )
    .option("--json", "print the result as JSON")
    .action((options: Options) => runCommand(() => run(options)));
}
