/**
 * Packing volumes: gzipped NIfTI files to records, on all cores.
 *
 * Invariant: contenders read the same files and do the published steps, and before timing their records have equal
 * means and deviations.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { niftiFile } from "../../lib/demo/nifti.js";
import type { Variant } from "../harness/variant.js";
import { ourWorker, peerWorker } from "./commands.js";
import type { Options } from "./options.js";

export interface PackConfiguration {
  recipe: "ct" | "mri";
  folder: string;
  threads: number;
}

interface Sizes {
  /** x, y, z. */
  size: [number, number, number];
  spacing: [number, number, number];
  volumes: number;
}

/** A trunk in 2.5 mm slices, and a heart in cubic voxels. */
const full: Record<PackConfiguration["recipe"], Sizes> = {
  ct: { size: [512, 512, 60], spacing: [0.75, 0.75, 2.5], volumes: 4 },
  mri: { size: [480, 480, 88], spacing: [0.625, 0.625, 0.625], volumes: 12 },
};
const quick: typeof full = {
  ct: { size: [256, 256, 20], spacing: [1.5, 1.5, 2.5], volumes: 2 },
  mri: { size: [256, 256, 40], spacing: [1, 1, 1], volumes: 2 },
};

/** An ellipsoid of soft waves and noise in air, in Hounsfield units; noise decides how well files compress. */
function phantom([width, height, depth]: Sizes["size"], seed: number): Int16Array {
  const voxels = new Int16Array(width * height * depth);
  let state = seed * 2654435761 + 1;
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const noise = state >>> 27;
        const [u, v] = [(2 * x) / width - 1, (2 * y) / height - 1];
        const inside = u * u + v * v < 0.7;
        const wave = 120 * Math.sin(x / 17) * Math.cos(y / 23 + seed) + 90 * Math.sin(z / 7);
        voxels[at++] = inside ? wave + noise : noise - 1010;
      }
    }
  }
  return voxels;
}

async function writeVolumes(folder: string, { size, spacing, volumes }: Sizes): Promise<void> {
  mkdirSync(folder);
  for (let i = 0; i < volumes; i++) {
    const file = await niftiFile({ size, spacing, voxels: phantom(size, i + 1) });
    writeFileSync(join(folder, `${i}.nii.gz`), file);
  }
}

/** The files are removed when the process ends. */
export function packVariants({ threads, quick: isQuick }: Options): Variant[] {
  const root = mkdtempSync(join(tmpdir(), "medcoss-volumes-"));
  process.on("exit", () => rmSync(root, { recursive: true, force: true }));
  const variants: Variant[] = [];
  for (const recipe of ["ct", "mri"] as const) {
    const sizes = (isQuick ? quick : full)[recipe];
    const configuration = { recipe, folder: join(root, recipe), threads };
    variants.push({
      case: `pack ${recipe} ${sizes.volumes} of ${[...sizes.size].reverse().join("x")}`,
      contenders: [
        { name: "medcoss", command: ourWorker("medcoss-pack", threads), configuration },
        { name: "nibabel + SimpleITK", command: peerWorker("pack", threads), configuration },
      ],
      baseline: "nibabel + SimpleITK",
      samplesPerStep: sizes.volumes,
      flopsPerStep: 0,
      agreement: { records: 0, mean: 1e-3, deviation: 1e-3 },
      prepare: () => writeVolumes(configuration.folder, sizes),
      plan: { warmups: 1, rounds: 3, slowSeconds: 120 },
    });
  }
  return variants;
}

export const packMethod = [
  "Samples are volumes: gzipped int16 NIfTI files, an ellipsoid with waves and noise in air; each goes through the published steps to records on disk",
  "medcoss packs into a new store, the start of its decoding processes included; the peer has a pool of one process per core, started before",
  "The peer: nibabel, SimpleITK for splines and linear resizes, numpy for clips, percentiles and z-scores; where CT does not shrink, antialias has nothing to do",
  "Before timing the records of both have the same number, mean and deviation",
  "Memory is that of the process that leads, without decoding processes and pool",
];
