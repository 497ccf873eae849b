/**
 * What a folder of DICOM series holds, as `inspect` tells it.
 */
import { dirname } from "node:path/posix";
import { scanFile } from "./formats/dicom/scan.js";
import { decodeSeries } from "./formats/dicom/series.js";
import type { DecodedVolume, DecodeOptions } from "./formats/types.js";
import { findFiles } from "./pack/find.js";

export interface DescribedSeries {
  files: number;
  /** z, y, x as stored. */
  shape: number[];
  spacingMm?: number[];
}

/** Paths of each series below a folder, in the order of the series' numbers. */
async function findSeries(folder: string): Promise<string[][]> {
  const { files } = await findFiles(folder, "volume3d", true);
  const groups = new Map<string, Map<string, string>>();
  for (const { path, relative } of files) {
    const scanned = await scanFile(path, dirname(relative));
    if (scanned.use !== "slice") continue;
    const group = groups.get(scanned.series) ?? new Map<string, string>();
    if (!group.has(scanned.instance)) group.set(scanned.instance, path);
    groups.set(scanned.series, group);
  }
  const ordered = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return ordered.map(([, group]) => [...group.values()]);
}

/** The volume of the first series and a list of all; undefined for a folder without DICOM. */
export async function readSeriesFolder(
  folder: string,
  options: DecodeOptions,
): Promise<{ volume: DecodedVolume; series: DescribedSeries[] } | undefined> {
  let volume: DecodedVolume | undefined;
  const series: DescribedSeries[] = [];
  for (const paths of await findSeries(folder)) {
    const found = await decodeSeries(paths, options);
    volume ??= found;
    const { storedShape: shape, storedSpacingMm: spacingMm } = found;
    series.push({ files: paths.length, shape, spacingMm });
  }
  return volume && { volume, series };
}
