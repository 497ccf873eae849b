/**
 * All formats, and the choice among them: by a file's first bytes, else by its name.
 */
import type { InputKind } from "../../batch.js";
import { MedcossError } from "../../errors.js";
import { csv } from "./csv.js";
import { dicomImage, dicomVolume } from "./dicom/index.js";
import { hdf5 } from "./hdf5.js";
import { readHead } from "./head.js";
import { jsonLines } from "./json-lines.js";
import { metaImage } from "./metaimage.js";
import { nifti } from "./nifti.js";
import { nrrd } from "./nrrd.js";
import { parquet } from "./parquet.js";
import { plainText } from "./plain-text.js";
import { raster } from "./raster.js";
import type { Format } from "./types.js";

export const formats: readonly Format[] = [
  csv,
  jsonLines,
  plainText,
  parquet,
  raster,
  nifti,
  hdf5,
  metaImage,
  nrrd,
  dicomImage,
  dicomVolume,
];

const kindNames: Record<InputKind, string> = {
  text: "reports",
  image2d: "images",
  volume3d: "volumes",
};

/** The formats that claim a file, by its first bytes, else by its name. */
export async function detectFormats(path: string): Promise<Format[]> {
  const head = await readHead(path);
  if (head.length === 0) throw new MedcossError("E_FILE_CONTENT", { problem: "an empty file" });
  const name = path.toLowerCase();
  const byContent = formats.filter((format) => format.matches(head));
  if (byContent.length > 0) return byContent;
  return formats.filter((format) => format.endings.some((ending) => name.endsWith(ending)));
}

/** The format of a file that has to be of one kind; throws E_FILE_UNSUPPORTED. */
export async function formatFor<K extends InputKind>(
  path: string,
  kind: K,
): Promise<Extract<Format, { kind: K }>> {
  const found = await detectFormats(path);
  const format = found.find((one) => one.kind === kind);
  if (format) return format as Extract<Format, { kind: K }>;
  const problem = found[0] ? `a ${found[0].name} file` : "no known format";
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: kindNames[kind], problem });
}
