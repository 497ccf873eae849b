/** `medcoss demo`: the whole way on made-up data, in minutes. */
import { join } from "node:path";
import type { Command } from "commander";
import { type DemoOptions, type DemoResult, runDemo } from "../demo/run.js";
import type { StageResult } from "../stages/types.js";
import { formatDuration, runCommand, type TableRow, tableLines } from "./common.js";
import { watch } from "./pretrain.js";
import { bars, stopOnSignals } from "./watch.js";

function resultRow(result: StageResult): TableRow {
  const { before, after } = result.validationLoss ?? result.trainingLoss;
  return {
    stage: `${result.stage} ${result.modality}`,
    samples: result.samples,
    "loss before": before.toFixed(3),
    "loss after": after.toFixed(3),
    "measured on": result.validationLoss ? "held-out cases" : "training batches",
    "samples/s": result.samplesPerSecond.toFixed(1),
  };
}

function nextSteps(): string[] {
  return [
    "Next, with data of your own:",
    "  npx medcoss pack --out STORE --reports reports.csv --xray XRAYS --ct SCANS --mri SCANS --pathology SLIDES",
    "  npx medcoss pretrain --store STORE --out RUN --model small --batch-size 16 --max-steps 100",
    "  npx medcoss inspect RUN",
  ];
}

/** What the command prints at its end. */
export function resultLines(result: DemoResult, seconds: number): string[] {
  const { run, curves, store } = result;
  const pictures = run.stages.flatMap((stage) => stage.reconstructions);
  return [
    ...tableLines(run.stages.map(resultRow)),
    "",
    `Done in ${formatDuration(seconds)}.`,
    `Run              ${run.out}`,
    `Network          ${join(run.out, "final", "model.safetensors")}`,
    `Store            ${store}`,
    `Loss curves      ${curves.png}`,
    ...pictures.map((path) => `Reconstructions  ${join(run.out, path)}`),
    "In a reconstruction, visible patches show the original and masked ones the network's prediction,",
    "with the mean and contrast of the original patch, which the objective leaves out.",
    "",
    ...nextSteps(),
  ];
}

/** Runs the demo with bars on stderr and its result on stdout; Ctrl-C saves and stops. */
export async function showDemo(options: DemoOptions): Promise<void> {
  const started = Date.now();
  const { signal, release } = stopOnSignals("this step and saving");
  const files = bars();
  const watching = watch(signal);
  try {
    const result = await runDemo(options, {
      ...watching.hooks,
      say(line) {
        files.stop();
        process.stderr.write(`${line}\n`);
      },
      onFile: (done, total, modality) => files.update(done, total, modality),
      pack: {
        signal,
        onProgress: ({ done, files: total, modality, records }) =>
          files.update(done, total, modality, `${records} new records`),
      },
    });
    watching.stop();
    const lines = resultLines(result, (Date.now() - started) / 1000);
    process.stdout.write(`${lines.join("\n")}\n`);
  } catch (error) {
    if (signal.aborted) process.stderr.write("The same command goes on from there.\n");
    throw error;
  } finally {
    files.stop();
    watching.stop();
    release();
  }
}

export function register(program: Command): void {
  program
    .command("demo")
    .description("make five small data sets, pack them and pre-train on them; takes minutes")
    .option("--out <folder>", "folder for data sets, store and run", "medcoss-demo")
    .action(({ out }: { out: string }) => runCommand(() => showDemo({ out })));
}
