/**
 * Batches ready to train on: from stores and while packing, beside PyTorch's DataLoader on the files; what a step waits
 * for; a store of a million records.
 *
 * Invariant: contenders make equal batches of equal crops before timing, on the same number of cores.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sparseStore } from "../../test/helpers/generated-store.js";
import type { Contender, Variant } from "../harness/variant.js";
import type { Command } from "../harness/worker.js";
import { ourWorker, peerWorker } from "./commands.js";
import {
  type Files,
  imageFiles,
  type Made,
  type Originals,
  originalFiles,
  originalKinds,
  textStore,
  volumeFiles,
} from "./loader-data.js";
import type { Options } from "./options.js";

export interface LoaderConfiguration extends Files {
  task: "images" | "pack" | "volumes" | "wait";
  channels: number;
  batch: number;
  /** Batches of a step. */
  batches: number;
  /** Threads of ours, processes of the peer's, that make batches. */
  workers: number;
  cores: number;
  /** The peer's library for volumes. */
  reader?: "nibabel" | "SimpleITK";
  /** Packing: large JPEGs at a fraction of their size. */
  shrinkOnLoad?: true;
  /** Volumes: mirroring and scaling are left to the native step, as in training. */
  asStored?: true;
}

const BATCH = 64;
const VOLUME_BATCH = 16;
const plan = { warmups: 1, rounds: 5 };
const agreement = { mean: 1e-3, square: 1e-3 };

/** The command on the first `cores` cores alone. */
function pinned(command: Command, cores: number): Command {
  const list = cores === 1 ? "0" : `0-${cores - 1}`;
  const { env, python } = command;
  return {
    executable: "taskset",
    // Asked for when the process starts, as the interpreter is.
    get args() {
      return ["-c", list, command.executable, ...command.args];
    },
    ...{ env, python },
  };
}

function ours(configuration: LoaderConfiguration, name = "medcoss"): Contender {
  const { cores } = configuration;
  return { name, command: pinned(ourWorker("medcoss-loader", cores), cores), configuration };
}

function peer(name: string, configuration: LoaderConfiguration): Contender {
  const { cores } = configuration;
  return { name, command: pinned(peerWorker("loader", 1), cores), configuration };
}

/** Cores that cases are measured on, up to those that were asked for. */
const coreCounts = (threads: number) => [1, 2].filter((cores) => cores === 1 || cores <= threads);

function imageVariant({ files, make }: Made, cores: number, batches: number): Variant {
  const channels = files.modality === "xray" ? 1 : 3;
  const shared = { ...files, task: "images", channels, batch: BATCH, batches, cores } as const;
  return {
    case: `loader ${files.modality} 224 px, batch ${BATCH}, ${cores} core${cores > 1 ? "s" : ""}`,
    contenders: [
      ours({ ...shared, workers: 1 }),
      peer("torchvision", { ...shared, workers: cores }),
    ],
    baseline: "torchvision",
    samplesPerStep: BATCH * batches,
    flopsPerStep: 0,
    agreement,
    plan,
    prepare: make,
  };
}

/** By ours with and without `shrinkOnLoad`, where the size leaves it something to do. */
function packVariant({ files: originals, make }: Made<Originals>, cores: number): Variant {
  const { count, height, width, channels, shrinks } = originals;
  const batch = BATCH / 2;
  const shared = { ...originals, task: "pack", batch, cores, workers: cores } as const;
  const configuration = { ...shared, batches: count / batch };
  const shrunk = ours({ ...configuration, shrinkOnLoad: true }, "medcoss, shrinkOnLoad");
  const kind = channels === 1 ? "grey" : "colour";
  return {
    case: `loader packing ${height}x${width} ${kind} JPEGs, ${cores} core${cores > 1 ? "s" : ""}`,
    contenders: [
      ours(configuration),
      ...(shrinks ? [shrunk] : []),
      peer("torchvision", configuration),
    ],
    baseline: "torchvision",
    samplesPerStep: count,
    flopsPerStep: 0,
    agreement,
    plan: { warmups: 1, rounds: 3 },
    prepare: make,
  };
}

function volumeVariant({ files, make }: Made, cores: number, batches: number): Variant {
  const shared = { ...files, task: "volumes", channels: 1, batch: VOLUME_BATCH, batches } as const;
  const configuration = { ...shared, cores, workers: cores };
  return {
    case: `loader ct tiles 16x192x192, batch ${VOLUME_BATCH}, ${cores} core${cores > 1 ? "s" : ""}`,
    contenders: [
      ours({ ...configuration, workers: 1 }),
      {
        ...ours({ ...configuration, workers: 1, asStored: true }, "medcoss, as stored"),
        check: "none",
      },
      peer("nibabel", { ...configuration, reader: "nibabel" }),
      peer("SimpleITK", { ...configuration, reader: "SimpleITK" }),
    ],
    baseline: "nibabel",
    samplesPerStep: VOLUME_BATCH * batches,
    flopsPerStep: 0,
    agreement,
    plan,
    prepare: make,
  };
}

function waitVariant({ files, make }: Made, cores: number, batch: number, steps: number): Variant {
  const shared = { ...files, task: "wait", channels: 1, batch, batches: steps } as const;
  return {
    case: `loader waiting in base steps on ${files.modality}, batch ${batch}`,
    contenders: [{ ...ours({ ...shared, workers: 1, cores }), check: "none" }],
    baseline: "medcoss",
    samplesPerStep: batch * steps,
    flopsPerStep: 0,
    agreement: {},
    plan: { warmups: 0, rounds: 1 },
    prepare: make,
  };
}

/** Sparse stores of grey images; no reading from disk, so what is left grows with the number of records if anything does. */
function sizeVariant(folder: string, batches: number): Variant {
  const counts = [1_000_000, 10_000];
  const storeOf = (count: number) => join(folder, `sparse-${count}`);
  const shared = { files: "", modality: "xray", task: "images", channels: 1 } as const;
  const sizes = { batch: BATCH, batches, workers: 1, cores: 1 };
  return {
    case: "loader store size",
    contenders: counts.map((count) => ({
      ...ours({ ...shared, ...sizes, store: storeOf(count) }, `${count} records`),
      check: "none",
    })),
    baseline: "10000 records",
    samplesPerStep: BATCH * batches,
    flopsPerStep: 0,
    agreement: {},
    prepare: async () => {
      const record = { dtype: "u8" as const, shape: [224, 224, 1] };
      for (const count of counts) {
        await sparseStore(storeOf(count), "xray", { kind: "image2d", record, count });
      }
    },
  };
}

/** The files are removed when the process ends. */
export function loaderVariants({ threads, quick }: Options): Variant[] {
  const folder = mkdtempSync(join(tmpdir(), "medcoss-loader-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const [images, tiles, batches] = quick ? [128, 32, 4] : [512, 64, 16];
  const xray = imageFiles(folder, "xray", images);
  const pathology = imageFiles(folder, "pathology", images);
  const originals = originalKinds.map((kind) => originalFiles(folder, kind, quick));
  const volumes = volumeFiles(folder, tiles);
  const texts = textStore(folder, images);
  const cores = coreCounts(threads);
  return [
    ...cores.flatMap((n) => [xray, pathology].map((made) => imageVariant(made, n, batches))),
    ...cores.flatMap((n) => originals.map((made) => packVariant(made, n))),
    ...cores.map((n) => volumeVariant(volumes, n, Math.ceil(batches / 4))),
    sizeVariant(folder, batches),
    ...[xray, volumes, texts].map((made) => waitVariant(made, threads, 16, quick ? 1 : 2)),
  ];
}

export const loaderMethod = [
  "Images: 224x224 JPEGs as the published loader reads them; random resized crop (area 0.2 to 1, bicubic, antialias), mirror, float32 in [0,1]",
  "The peer: DataLoader with PIL and torchvision, as many worker processes as cores; ours: one thread that reads, one native thread per core that crops",
  "Volumes: tiles of int16, to the peer each a .nii.gz; mirrored along three axes and scaled to float32, by ours in JavaScript",
  "`as stored`: int16 voxels with their mirrors as numbers, which is what a training step takes; it mirrors and scales by itself",
  "Packing: decoding, resizing and writing a whole store, its processes' start included, beside the DataLoader on the same JPEGs, which it crops at random; by default from whole images, records equal to Pillow's to the byte",
  "`shrinkOnLoad`: a half or a quarter of an image's edges by libjpeg; rows without it are of the default, and sizes without such a row leave it nothing to do",
  "Waiting: whole steps of the base model in fp32 with AdamW through `stageSteps`; the share is `waitMs` over the time of the steps",
  "Store size: sparse files, so that nothing is read from a disk; the note tells how long opening took",
  "Every contender has the named number of cores by taskset; memory leaves the peer's worker processes out",
];
