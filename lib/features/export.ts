/**
 * A buffer in the three forms that the published code reads (reference section 4): rows of the reports' table as CSV,
 * paths of images as JSON, paths of volumes as text.
 *
 * Invariant: nothing is written unless every sample of the buffer can be named.
 */
import { stat } from "node:fs/promises";
import { extname, join } from "node:path";
import type { InputKind } from "../batch.js";
import { openStore } from "../data/store.js";
import { MedcossError } from "../errors.js";
import { prepareOutput, replaceFile } from "../files.js";
import { type Buffer, readBuffer } from "../replay/buffer-file.js";
import { pathsBelow, sourceNames } from "./export-paths.js";
import { selectedRows } from "./export-rows.js";
import { type RecordSource, readSources } from "./sources.js";

export interface ExportConfig {
  /** A `buffer.json`, a stage's folder, or a buffer that was read. */
  buffer: string | Buffer;
  /** The store that it was chosen from. */
  store: string;
  /** File to write, or a folder (a name without an ending), in which it gets the published name. */
  out: string;
  /** Reports: the tables that the store was packed from. */
  reports?: readonly string[];
  /** Images: the folders that the store was packed from. */
  roots?: readonly string[];
}

export interface Exported {
  out: string;
  form: "csv" | "json" | "txt";
  samples: number;
  /** Rows or paths in the file; samples that are tiles of one source share a path. */
  entries: number;
}

const forms = { text: "csv", image2d: "json", volume3d: "txt" } as const;

const publishedModalities: Record<string, string> = {
  report: "1D_text",
  xray: "2D_xray",
  ct: "3D_CT",
  mri: "3D_MR",
  pathology: "2D_path",
};
const dimensions: Record<InputKind, string> = { text: "1D", image2d: "2D", volume3d: "3D" };

/** `1D_text_0.01_0.05_kmean.csv`. */
export function publishedName(buffer: Buffer): string {
  const { modality, kind, centreShare, share, method } = buffer;
  const name = publishedModalities[modality] ?? `${dimensions[kind]}_${modality}`;
  const suffix = method === "kmeans" ? "kmean" : method;
  return `${name}_${centreShare}_${share}_${suffix}.${forms[kind]}`;
}

function refuseUnused({ reports, roots }: ExportConfig, kind: InputKind): void {
  const refuse = (field: string, problem: string) => {
    throw new MedcossError("E_CONFIG", { field, problem });
  };
  if (reports && kind !== "text") refuse("reports", `not for a buffer of ${kind}`);
  if (roots && kind !== "image2d") refuse("roots", `not for a buffer of ${kind}`);
}

async function contentOf(
  config: ExportConfig,
  buffer: Buffer,
  sources: ReadonlyMap<number, RecordSource>,
): Promise<{ text: string; entries: number }> {
  if (buffer.kind === "text") return selectedRows(buffer, sources, config.reports ?? []);
  const names = sourceNames(buffer, sources);
  if (buffer.kind === "volume3d") return { text: `${names.join("\n")}\n`, entries: names.length };
  const path = await pathsBelow(config.store, buffer.modality, names, config.roots ?? []);
  return { text: `${JSON.stringify({ path })}\n`, entries: path.length };
}

/** The file that `out` means: in a folder, or where the name has no ending, one with the published name. */
async function target(out: string, buffer: Buffer): Promise<string> {
  const found = await stat(out).catch(() => undefined);
  const folder = found ? found.isDirectory() : extname(out) === "" || out.endsWith("/");
  return folder ? join(out, publishedName(buffer)) : out;
}

/** Throws E_BUFFER_MISMATCH for a store with other records, E_ARGUMENT for one without some of them. */
async function checkStore(path: string, { modality, samples, data }: Buffer): Promise<void> {
  await using store = await openStore(path);
  const { preprocessingDigest } = store.info(modality);
  if (data.split(":")[0] !== preprocessingDigest) {
    const problem = `the records of ${modality} in ${path} were made in another way`;
    throw new MedcossError("E_BUFFER_MISMATCH", { problem });
  }
  const numbers = samples.map(({ record }) => record);
  store.records(modality, numbers);
}

/**
 * Writes the published file of a buffer. Throws E_BUFFER_SOURCES where a sample cannot be named, E_NO_BUFFER,
 * E_BUFFER_CORRUPT, E_NO_STORE, E_NO_MODALITY, E_CONFIG and E_WRITE.
 */
export async function exportBuffer(config: ExportConfig): Promise<Exported> {
  const given = config.buffer;
  const buffer = typeof given === "string" ? await readBuffer(given) : given;
  refuseUnused(config, buffer.kind);
  await checkStore(config.store, buffer);
  const out = await target(config.out, buffer);
  const numbers = buffer.samples.map(({ record }) => record);
  const sources = await readSources(config.store, buffer.modality, numbers);
  const { text, entries } = await contentOf(config, buffer, sources);
  await prepareOutput(out);
  await replaceFile(out, text);
  return { out, form: forms[buffer.kind], samples: numbers.length, entries };
}
