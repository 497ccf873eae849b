/** A small corpus of grey images and reports with everything in it that `pack` has to tell apart. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { allocateView } from "../../lib/data/dataset.js";
import { openStore } from "../../lib/data/store.js";

/** Small records, so that packing takes no time. */
export const small = {
  preprocessing: { xray: { size: 16 }, report: { length: 12 } },
  workers: 2,
};

/** A grey image whose left side has the value `number`. */
export async function writeImage(path: string, number: number): Promise<void> {
  const pixels = Buffer.from(Array.from({ length: 400 }, (_, i) => (i % 20 < 15 ? number : 255)));
  const raw = { width: 20, height: 20, channels: 1 as const };
  await sharp(pixels, { raw }).png().toFile(path);
}

/** 45 images, two labels, two broken files, a table, a link back; 50 reports of 25 patients and one too short. */
export async function writeCorpus(folder: string) {
  const images = join(folder, "images");
  const reports = join(folder, "reports.csv");
  mkdirSync(join(images, "masks"), { recursive: true });
  mkdirSync(join(images, "more"));
  for (let i = 0; i < 44; i++) {
    await writeImage(join(images, `p${String(i).padStart(2, "0")}.png`), i);
  }
  await writeImage(join(images, "more", "p00.png"), 100);
  await writeImage(join(images, "p01_mask.png"), 1);
  await writeImage(join(images, "masks", "p02.png"), 2);
  writeFileSync(join(images, "broken.png"), "not a picture");
  writeFileSync(join(images, "empty.jpg"), "");
  writeFileSync(join(images, "list.csv"), "path\n");
  symlinkSync(images, join(images, "more", "loop"));
  const rows = Array.from(
    { length: 50 },
    (_, i) => `s${Math.floor(i / 2)},"Lungs ${i} are clear.",Normal heart`,
  );
  const header = "\uFEFFsubject_id,findings,impression";
  writeFileSync(reports, `${header}\n${rows.join("\n")}\nx,,ok\n`);
  const xray = { modality: "xray", recipe: "xray" as const, path: images };
  const report = { modality: "report", recipe: "report" as const, path: reports };
  return { images, xray, report };
}

/** The first value of every image, the tokens of every report. */
export async function readStore(
  store: string,
  modality: string,
  part: "train" | "validation" | "all",
): Promise<number[][]> {
  await using opened = await openStore(store);
  const dataset = opened.dataset(modality, part);
  const values: number[][] = [];
  for (let i = 0; i < dataset.length; i++) {
    const view = allocateView(dataset.record);
    await dataset.read(i, view);
    values.push(Array.from(view.data).slice(0, modality === "report" ? view.length : 1));
  }
  return values;
}

/** The lines of `rejected.jsonl`. */
export function readRejected(store: string): Array<Record<string, string>> {
  const lines = readFileSync(join(store, "rejected.jsonl"), "utf8").split("\n");
  return lines.filter(Boolean).map((line) => JSON.parse(line));
}
