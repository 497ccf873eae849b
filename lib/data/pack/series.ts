/**
 * Files of a folder tree that are slices of DICOM series become one input per series.
 *
 * Invariant: every DICOM file is in one series, counted as skipped, or left as a file of its own.
 */
import { dirname } from "node:path/posix";
import type { Scanned } from "../formats/dicom/scan.js";
import { nifti } from "../formats/nifti.js";
import { keyedName } from "./case-key.js";
import type { FindResult, FoundFile } from "./find.js";
import type { ScanFile } from "./protocol.js";

const FILES_PER_SCAN = 64;

/** Looks at files in the decoding processes; `folders` stand in for series without a number. */
export type Scan = (files: ScanFile[]) => Promise<Scanned[]>;

interface Series {
  key: string;
  files: FoundFile[];
  instances: Set<string>;
}

function commonFolder(files: readonly FoundFile[]): string {
  const parts = files.map(({ relative }) => dirname(relative).split("/"));
  const first = parts[0] as string[];
  const differs = first.findIndex((part, i) => parts.some((other) => other[i] !== part));
  const common = (differs < 0 ? first : first.slice(0, differs)).join("/");
  return common === "." ? "" : common;
}

/** `folder#0a1b2c3d`: where the series is, and a digest that tells it from others there. */
function seriesFile({ key, files }: Series, secret: string): FoundFile {
  const folder = commonFolder(files);
  const digest = keyedName(secret, key).slice(0, 8);
  return {
    path: (files[0] as FoundFile).path,
    relative: folder === "" ? `series#${digest}` : `${folder}#${digest}`,
    size: files.reduce((sum, { size }) => sum + size, 0),
    slices: files.map(({ path }) => path),
    folder,
  };
}

async function scanAll(files: readonly FoundFile[], scan: Scan): Promise<Scanned[]> {
  const parts: Promise<Scanned[]>[] = [];
  for (let i = 0; i < files.length; i += FILES_PER_SCAN) {
    const part = files.slice(i, i + FILES_PER_SCAN);
    parts.push(scan(part.map(({ path, relative }) => ({ path, folder: dirname(relative) }))));
  }
  return (await Promise.all(parts)).flat();
}

/** `found` with the slices of each series as one file, in the order of their first slices. */
export async function groupSeries(
  found: FindResult,
  scan: Scan,
  secret: () => Promise<string>,
): Promise<FindResult> {
  const candidates = found.files.filter(
    ({ relative }) => !nifti.endings.some((ending) => relative.toLowerCase().endsWith(ending)),
  );
  const scanned = await scanAll(candidates, scan);
  const results = new Map(candidates.map((file, i) => [file, scanned[i] as Scanned]));
  const skipped = new Map(found.skipped);
  const skip = (reason: string) => skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
  const groups = new Map<string, Series>();
  const ordered: Array<FoundFile | Series> = [];
  for (const file of found.files) {
    const result = results.get(file) ?? { use: "other" };
    if (result.use === "other") ordered.push(file);
    if (result.use === "skip") skip(result.reason);
    if (result.use !== "slice") continue;
    let series = groups.get(result.series);
    if (!series) {
      series = { key: result.series, files: [], instances: new Set() };
      groups.set(result.series, series);
      ordered.push(series);
    }
    if (series.instances.has(result.instance)) skip("copy of a DICOM slice");
    else series.files.push(file);
    series.instances.add(result.instance);
  }
  if (groups.size === 0) return { ...found, skipped };
  const key = await secret();
  const files = ordered.map((item) => ("key" in item ? seriesFile(item, key) : item));
  return { ...found, files, skipped };
}
