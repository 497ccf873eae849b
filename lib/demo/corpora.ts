/**
 * Five small corpora in the formats that clinics and public data sets use.
 *
 * Invariant: the same seed and sizes give the same pictures, volumes and reports; `demo.json` is written last, so a
 * folder without it holds no finished corpora.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { chestCase } from "./cases.js";
import { niftiFile } from "./nifti.js";
import { pathologyPhantom } from "./pathology.js";
import { reportsTable } from "./reports.js";
import { ctScan, mriScan } from "./scans.js";
import { xrayPhantom } from "./xray.js";

/** Changes with every change of a phantom. */
const VERSION = 1;
const MARKER = "demo.json";
/** Files that are compressed while the next is painted. */
const PENDING = 3;

/** Reports, pictures and volumes of each corpus. */
export interface CorpusSizes {
  report: number;
  xray: number;
  ct: number;
  mri: number;
  pathology: number;
}

export const demoSizes: CorpusSizes = { report: 320, xray: 128, ct: 20, mri: 20, pathology: 128 };

/** Where each corpus lies. */
export type CorpusPaths = Record<keyof CorpusSizes, string>;

export interface CorporaOptions {
  seed: number;
  sizes: CorpusSizes;
  /** Called after each file with the number of its corpus. */
  onFile?(done: number, total: number, modality: string): void;
}

export function corpusPaths(folder: string): CorpusPaths {
  return {
    report: join(folder, "report", "reports.csv"),
    xray: join(folder, "xray"),
    ct: join(folder, "ct"),
    mri: join(folder, "mri"),
    pathology: join(folder, "pathology"),
  };
}

const number = (index: number) => String(index).padStart(4, "0");

/** Name and bytes of file `index` of a corpus. */
type Maker = (seed: number, index: number) => { name: string; bytes: Promise<Buffer> };

const makers: Record<Exclude<keyof CorpusSizes, "report">, Maker> = {
  xray(seed, index) {
    const { width, height, pixels } = xrayPhantom(chestCase(seed, index), seed, index);
    const image = sharp(pixels, { raw: { width, height, channels: 1 } });
    const bytes = image.toColourspace("b-w").jpeg({ quality: 92 }).toBuffer();
    return { name: `case${number(index)}.jpg`, bytes };
  },
  ct: (seed, index) => ({
    name: `ct${number(index)}.nii.gz`,
    bytes: niftiFile(ctScan(seed, index)),
  }),
  mri: (seed, index) => ({
    name: `mri${number(index)}.nii.gz`,
    bytes: niftiFile(mriScan(seed, index)),
  }),
  pathology(seed, index) {
    const { width, height, pixels } = pathologyPhantom(seed, index);
    const image = sharp(pixels, { raw: { width, height, channels: 3 } });
    return {
      name: `slide${number(index)}.png`,
      bytes: image.png({ compressionLevel: 6 }).toBuffer(),
    };
  },
};

async function writeFiles(
  folder: string,
  maker: Maker,
  count: number,
  seed: number,
  onFile: () => void,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const pending: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    const { name, bytes } = maker(seed, index);
    pending.push(bytes.then((data) => writeFile(join(folder, name), data)).then(onFile));
    if (pending.length > PENDING) await pending.shift();
    await new Promise(setImmediate);
  }
  await Promise.all(pending);
}

function marker(seed: number, sizes: CorpusSizes): string {
  return `${JSON.stringify({ version: VERSION, seed, sizes }, null, 2)}\n`;
}

/** Whether the folder holds finished corpora of this seed and size. */
export async function hasCorpora(
  folder: string,
  { seed, sizes }: Pick<CorporaOptions, "seed" | "sizes">,
): Promise<boolean> {
  const found = await readFile(join(folder, MARKER), "utf8").catch(() => "");
  return found === marker(seed, sizes);
}

/** Writes all corpora into a folder, in place of what it held of them. */
export async function writeCorpora(folder: string, options: CorporaOptions): Promise<CorpusPaths> {
  const { seed, sizes } = options;
  const paths = corpusPaths(folder);
  for (const modality of Object.keys(paths)) {
    await rm(join(folder, modality), { recursive: true, force: true });
  }
  await mkdir(join(folder, "report"), { recursive: true });
  const cases = Array.from({ length: sizes.report }, (_, index) => chestCase(seed, index));
  await writeFile(paths.report, reportsTable(cases, seed));
  for (const [modality, maker] of Object.entries(makers)) {
    const name = modality as keyof typeof makers;
    let done = 0;
    await writeFiles(paths[name], maker, sizes[name], seed, () => {
      options.onFile?.(++done, sizes[name], modality);
    });
  }
  await writeFile(join(folder, MARKER), marker(seed, sizes));
  return paths;
}
