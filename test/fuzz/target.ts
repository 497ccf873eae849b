/**
 * One fuzz target: decodes the mutations of its seeds, as `pack` would, and says what came of each.
 */
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeSeries } from "../../lib/data/formats/dicom/series.js";
import { formatFor } from "../../lib/data/formats/index.js";
import { slideTiles } from "../../lib/data/formats/slide.js";
import { jpegRecord } from "../../lib/data/preprocess/jpeg.js";
import { MedcossError } from "../../lib/errors.js";
import { packDefaults } from "../helpers/packing.js";
import { mutate, randomOf } from "./mutate.js";
import { type Seed, seeds } from "./seeds.js";

export const targetNames = Object.keys(seeds);

const options = packDefaults();

async function readTable(path: string): Promise<void> {
  const table = await (await formatFor(path, "text")).decode(path, options);
  for await (const row of table.rows()) Object.values(row).join("");
}

async function readSlide(path: string): Promise<void> {
  for await (const _ of slideTiles(path, { size: 64, tissue: 0.5, mostTiles: 4 }));
}

type Read = (paths: string[]) => Promise<unknown>;

const image: Read = async ([path = ""]) => (await formatFor(path, "image2d")).decode(path, options);
/** As a whole and at a fraction of its size; then as `pack` does with what is not plain. */
const jpeg: Read = async ([path = ""]) => {
  const { limits, preprocessing } = options;
  for (const shrinkOnLoad of [false, true]) {
    const wanted = { ...preprocessing.xray, size: 8, shrinkOnLoad };
    if (!jpegRecord(readFileSync(path), wanted, limits)) return image([path]);
  }
};
const volume: Read = async ([path = ""]) =>
  (await formatFor(path, "volume3d")).decode(path, options);
const text: Read = ([path = ""]) => readTable(path);

function readerOf(target: string): Read {
  if (["csv", "tsv", "jsonl", "parquet", "txt"].includes(target)) return text;
  if (target === "slide") return ([path = ""]) => readSlide(path);
  if (target === "series") return (paths) => decodeSeries(paths, options);
  if (target === "jpeg") return jpeg;
  const flat = ["png", "tiff"].includes(target) || target.startsWith("dicom");
  return flat && target !== "dicom-frames" ? image : volume;
}

/** Whether an error was made by our own code without knowing, as by reading beyond an end. */
function isUnknown(error: unknown): string | undefined {
  if (!(error instanceof MedcossError)) return String((error as Error).stack ?? error);
  if (!/^E_FILE_|^E_TABLE_/.test(error.code)) return error.stack;
  const { cause } = error;
  const slip = cause instanceof TypeError || cause instanceof ReferenceError;
  const first = slip ? (cause.stack ?? "").split("\n").find((line) => /^\s+at /.test(line)) : "";
  return /[/]lib[/]data[/]/.test(first ?? "") ? cause?.toString() : undefined;
}

/** What came of one input: `read`, an error code, or a defect. */
async function judge(read: Read, paths: string[]): Promise<{ result: string; defect?: string }> {
  try {
    await read(paths);
    return { result: "read" };
  } catch (error) {
    const defect = isUnknown(error);
    return { result: error instanceof MedcossError ? error.code : "unknown", defect };
  }
}

const made = new Map<string, Promise<Seed[]>>();

async function seedsOf(target: string): Promise<Seed[]> {
  const found = made.get(target) ?? Promise.resolve((seeds[target] as () => Seed[])());
  made.set(target, found);
  return found;
}

/** Input `index` of a target: the first ones are the seeds themselves. */
export async function makeInput(target: string, seed: number, index: number): Promise<Seed> {
  const all = await seedsOf(target);
  const random = randomOf(seed, index, ...Buffer.from(target));
  const chosen = all[index % all.length] as Seed;
  if (index < all.length) return chosen;
  const other = [...(all[random(all.length)] as Seed).values()];
  const names = [...chosen.keys()];
  const changed = names[random(names.length)];
  const change = (bytes: Buffer) => mutate(bytes, random, other[random(other.length)] as Buffer);
  return new Map(
    [...chosen].map(([name, bytes]) => [name, name === changed ? change(bytes) : bytes]),
  );
}

/** Writes an input below `folder` and decodes it. */
export async function tryInput(target: string, seed: number, index: number, folder: string) {
  const input = await makeInput(target, seed, index);
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (const [name, bytes] of input) {
    const path = join(folder, name);
    await writeFile(path, bytes);
    paths.push(path);
  }
  const outcome = await judge(readerOf(target), paths);
  const isSeed = index < (await seedsOf(target)).length;
  if (!isSeed || outcome.result === "read") return outcome;
  return { ...outcome, defect: outcome.defect ?? `the valid file is rejected: ${outcome.result}` };
}
