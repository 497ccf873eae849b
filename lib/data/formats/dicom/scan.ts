/**
 * What a file is to a series: a slice of it, nothing to learn from, or no DICOM at all.
 */
import type { DataSet } from "dicom-parser";
import { readHead } from "../head.js";
import { isDicom, isObjectWithoutPixels, patientOf, seriesOf } from "./dataset.js";
import { readElements } from "./read.js";

export type Scanned =
  /** No DICOM, or so broken that only decoding can say why. */
  | { use: "other" }
  | { use: "skip"; reason: string }
  /** `series` and `instance` tell slices apart and must not be written. */
  | { use: "slice"; series: string; instance: string };

const NOT_IMAGES = [
  "1.2.840.10008.5.1.4.1.1.66.4",
  "1.2.840.10008.5.1.4.1.1.66.7",
  "1.2.840.10008.5.1.4.1.1.481.2",
];
const SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7";

/** Why a DICOM object is no picture of a patient; undefined where it is one. */
export function reasonToSkipObject(dataset: DataSet): string | undefined {
  if (isObjectWithoutPixels(dataset)) return "DICOM object without an image";
  const kind = dataset.string("x00080016") ?? "";
  return NOT_IMAGES.includes(kind) ? "DICOM segmentation or dose" : undefined;
}

function reasonToSkipSlice(dataset: DataSet): string | undefined {
  const types = (dataset.string("x00080008") ?? "").toUpperCase().split("\\");
  if (types.some((type) => type === "LOCALIZER" || type === "SCOUT")) return "DICOM localiser";
  const captured = (dataset.string("x00080016") ?? "").startsWith(SECONDARY_CAPTURE);
  if (captured && !dataset.elements.x00200032 && !dataset.elements.x52009230)
    return "DICOM screenshot";
  return undefined;
}

function scan(dataset: DataSet, path: string, folder: string): Scanned {
  const reason = reasonToSkipObject(dataset) ?? reasonToSkipSlice(dataset);
  if (reason) return { use: "skip", reason };
  const instance = dataset.string("x00080018") ?? path;
  const frames = dataset.intString("x00280008") ?? 1;
  const series = [seriesOf(dataset) || folder, dataset.string("x0020000d"), patientOf(dataset)];
  if (frames > 1) series.push(instance);
  return { use: "slice", series: series.join("\n"), instance };
}

/** Looks at one file; `folder` stands in for a series that has no number. Never throws. */
export async function scanFile(path: string, folder: string): Promise<Scanned> {
  try {
    if (!isDicom(await readHead(path))) return { use: "other" };
    return scan(await readElements(path), path, folder);
  } catch {
    return { use: "other" };
  }
}
