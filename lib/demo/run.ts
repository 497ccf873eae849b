/**
 * The demo from nothing to a trained network: corpora, store, five stages, pictures.
 *
 * Invariant: only folders that the demo made are touched; what is finished there is used again, and a finished run is
 * never written to.
 */
import { access, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PackHooks, type PackResult, pack } from "../data/pack/index.js";
import { MedcossError } from "../errors.js";
import { writeLossCurves } from "../pictures/index.js";
import { pretrain } from "../stages/pretrain.js";
import { isFinished } from "../stages/run-folder.js";
import type { Hooks, RunResult } from "../stages/types.js";
import {
  type CorporaOptions,
  type CorpusPaths,
  type CorpusSizes,
  corpusPaths,
  demoSizes,
  hasCorpora,
  writeCorpora,
} from "./corpora.js";

const MARKER = "medcoss-demo.json";

export interface DemoOptions {
  /** Folder of corpora, store and runs. */
  out: string;
  seed?: number;
  sizes?: CorpusSizes;
  /** Steps of each stage. */
  steps?: number;
  batchSize?: number;
  /** Threads of the training; by default the physical cores. */
  threads?: number;
}

/** The steps of the demo, with what is used again. */
export interface DemoHooks extends Hooks {
  /** A line for the user about what comes next or was found. */
  say?(line: string): void;
  onFile?: CorporaOptions["onFile"];
  pack?: PackHooks;
}

export interface DemoResult {
  corpora: CorpusPaths;
  store: string;
  packed: PackResult;
  run: RunResult;
  curves: { svg: string; png: string };
}

export const demoTraining = { steps: 70, batchSize: 8 } as const;

type Settled = Required<Omit<DemoOptions, "threads">> & Pick<DemoOptions, "threads">;

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Takes the folder; true where an earlier demo made it. */
async function claim(out: string): Promise<boolean> {
  if (await exists(join(out, MARKER))) return true;
  const entries = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (entries.length > 0) throw new MedcossError("E_DEMO_FOLDER", { path: out });
  await mkdir(out, { recursive: true });
  await writeFile(join(out, MARKER), `${JSON.stringify({ madeBy: "medcoss demo" })}\n`);
  return false;
}

/** The first run that is not finished, or a new one. */
async function nextRun(out: string): Promise<{ folder: string; begun: boolean; finished: number }> {
  for (let finished = 0; ; finished++) {
    const folder = join(out, finished === 0 ? "run" : `run-${finished + 1}`);
    if (!(await exists(folder))) return { folder, begun: false, finished };
    if (!(await isFinished(folder))) return { folder, begun: true, finished };
  }
}

async function makeCorpora(
  folder: string,
  options: Settled,
  hooks: DemoHooks,
): Promise<CorpusPaths> {
  if (await hasCorpora(folder, options)) {
    hooks.say?.(`Data: using those in ${folder}`);
    return corpusPaths(folder);
  }
  hooks.say?.(`Data: painting reports, X-rays, CT, MRI and pathology in ${folder}`);
  return writeCorpora(folder, { ...options, onFile: hooks.onFile });
}

function packCorpora(paths: CorpusPaths, store: string, hooks: DemoHooks): Promise<PackResult> {
  hooks.say?.(`Store: packing into ${store}`);
  const sources = Object.entries(paths).map(([name, path]) => {
    const recipe = name as keyof CorpusPaths;
    return { modality: recipe, recipe, path };
  });
  return pack({ out: store, sources }, hooks.pack);
}

async function train(store: string, options: Settled, hooks: DemoHooks): Promise<RunResult> {
  const { folder, begun, finished } = await nextRun(options.out);
  if (finished > 0) hooks.say?.(`Runs: ${finished} finished before; they stay as they are`);
  hooks.say?.(`Run: ${begun ? "going on with" : "training five stages in"} ${folder}`);
  const { steps, batchSize, seed, threads } = options;
  const size = { model: "tiny", epochs: steps, maxSteps: steps, batchSize, seed, threads } as const;
  const config = { store, out: folder, ...size, validateEvery: steps, resume: true };
  return pretrain(config, hooks);
}

/** Runs the demo; throws E_DEMO_FOLDER for a folder of something else, and what `pack` and `pretrain` throw. */
export async function runDemo(options: DemoOptions, hooks: DemoHooks = {}): Promise<DemoResult> {
  const settled = { seed: 0, sizes: demoSizes, ...demoTraining, ...options };
  if (await claim(settled.out)) hooks.say?.(`Folder: ${settled.out} is from an earlier demo`);
  const corpora = await makeCorpora(join(settled.out, "data"), settled, hooks);
  const store = join(settled.out, "store");
  const packed = await packCorpora(corpora, store, hooks);
  const run = await train(store, settled, hooks);
  return { corpora, store, packed, run, curves: await writeLossCurves(run.out) };
}
