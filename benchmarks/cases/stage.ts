/**
 * End to end: samples per second of a stage from the store, data, augmentation and step together.
 *
 * Invariant: contenders read the same shards; before timing the records that they find have equal moments.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateStore } from "../../test/helpers/generated-store.js";
import type { Precision } from "../harness/peak.js";
import type { Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import { stepFlops } from "./flops.js";
import { IMAGE, type Kind, TEXT_LENGTH, textLengths, VOLUME } from "./inputs.js";
import { type Options, onGpu } from "./options.js";

export interface StageConfiguration {
  store: string;
  modality: string;
  kind: Kind;
  precision: Precision;
  batch: number;
  /** Timed steps of a turn. */
  steps: number;
  device: string;
  threads: number;
  compile?: string;
}

/** Steps of each turn before the clock starts. */
export const WARMUP = 2;
export const CHECKED = 16;
const BATCHES = 4;
const SHORTEST = 40;

const modalities: Record<Kind, string> = { image2d: "xray", volume3d: "ct", text: "report" };
const records = {
  image2d: { dtype: "u8" as const, shape: [...IMAGE.slice(0, 2), 1] },
  volume3d: { dtype: "i16" as const, shape: [...VOLUME], scale: 1 / 1024, offset: 0 },
  text: { dtype: "i32" as const, shape: [TEXT_LENGTH] },
};

const length = (record: number) => SHORTEST + ((record * 31) % (TEXT_LENGTH - SHORTEST + 1));
const mixed = (record: number, place: number) =>
  Math.imul(place + 1 + record * 7919, 0x9e3779b1) >>> 8;

function contentOf(kind: Kind): (record: number, place: number) => number {
  if (kind === "image2d") return (record, place) => mixed(record, place) & 255;
  if (kind === "volume3d") return (record, place) => (mixed(record, place) & 2047) - 1024;
  return (record, place) => (place < length(record) ? 1000 + (mixed(record, place) % 27_000) : 0);
}

/** Made for the first variant of its kind. */
async function makeStore({ store, kind, modality }: StageConfiguration, count: number) {
  if (existsSync(store)) return;
  const generated = { kind, record: records[kind], count };
  await generateStore(store, modality, generated, contentOf(kind), length);
}

function variant(configuration: StageConfiguration, options: Options): Variant {
  const { kind, precision, batch, steps, threads } = configuration;
  const { batches, compileModes } = options;
  const tuned = { command: peerWorker("stage", threads) };
  // The number of words to be predicted changes from batch to batch, and so would the compiled graph.
  const modes = kind === "text" ? [] : compileModes;
  return {
    case: `stage ${kind} ${precision} batch ${batch}`,
    contenders: [
      { name: "medcoss", command: ourWorker("medcoss-stage", threads), configuration },
      ...modes.map((compile) => ({
        name: compile === "default" ? "compiled" : `compiled, ${compile}`,
        ...tuned,
        configuration: { ...configuration, compile },
      })),
      { name: "tuned", ...tuned, configuration },
    ],
    baseline: "tuned",
    samplesPerStep: batch * steps,
    flopsPerStep: steps * stepFlops(kind, "plain", textLengths(batch)),
    precision,
    agreement: { mean: 1e-6, square: 1e-6 },
    prepare: () => makeStore(configuration, Math.max(CHECKED, BATCHES * Math.max(...batches))),
    plan: { warmups: 1, rounds: 3, slowSeconds: 240 },
  };
}

/** The stores are removed when the process ends. */
export function stageVariants(options: Options): Variant[] {
  const { batches, kinds, precisions, device, threads, quick } = options;
  const folder = mkdtempSync(join(tmpdir(), "medcoss-stages-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const where = { device, threads, steps: quick ? 1 : onGpu(options) ? 50 : 5 };
  return kinds.flatMap((kind) =>
    batches.flatMap((batch) =>
      precisions.map((precision) => {
        const data = { store: join(folder, kind), modality: modalities[kind], kind };
        return variant({ ...data, ...where, batch, precision }, options);
      }),
    ),
  );
}

export const stageMethod = [
  "Base model, corrected preset; generated stores of grey images, CT tiles and reports of 40 to 112 tokens; a turn is a whole stage of which some steps are timed",
  "`tuned` and `compiled`: the best-practice step fed by a DataLoader over the same shards, with PyTorch's own crop, antialiased resize and flips, or masking of words",
];
