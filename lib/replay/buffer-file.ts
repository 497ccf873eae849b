/**
 * `buffer.json`: which samples of a modality a buffer holds, and around which centres.
 *
 * Invariant: a buffer that was read is whole: every sample is named once and lies in a cluster that has a centre.
 * Samples of one cluster stand together, the one to be kept longest first.
 */
import { Buffer as Bytes } from "node:buffer";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { InputKind } from "../batch.js";
import { type SelectionMethod, selectionNames } from "../config/buffer.js";
import { MedcossError } from "../errors.js";
import { replaceFile } from "../files.js";

export const BUFFER_FILE = "buffer.json";
const BUFFER_VERSION = 1;
/** Largest file that is read or written: 31,000 centres of width 768. */
const MOST_BYTES = 2 ** 27;

/** A replayed sample. */
export interface BufferSample {
  /** Stable number in the store; see `Store.records`. */
  record: number;
  cluster: number;
  /** Euclidean distance of its feature to the centre of its cluster. */
  distance: number;
}

export interface Buffer {
  version: 1;
  modality: string;
  kind: InputKind;
  method: SelectionMethod;
  seed: number;
  stage: number;
  /** SHA-256 of the model file whose features chose the samples. */
  checkpoint: string;
  /** Digest of the data that was chosen from. */
  data: string;
  /** Samples that were chosen from. */
  from: number;
  /** Bytes of a record in the store. */
  recordBytes: number;
  /** Shares of `from` that were asked for, as samples and as centres; see `bufferSize`. */
  share: number;
  centreShare: number;
  clusters: number;
  /** Most samples that a cluster may hold. */
  perCluster: number;
  width: number;
  /** [clusters, width]. */
  centres: Float32Array;
  samples: BufferSample[];
}

const count = z.int().nonnegative();
const finite = z.number().nonnegative();

const fileSchema = z.strictObject({
  format: z.literal("medcoss-buffer"),
  version: z.literal(BUFFER_VERSION),
  // A name of the user's own, which becomes part of file names.
  modality: z.string().regex(/^(?!\.)[^/\\\p{Cc}]{1,200}$/u),
  kind: z.enum(["text", "image2d", "volume3d"]),
  method: z.enum(selectionNames),
  seed: count,
  stage: count.max(0xffff),
  checkpoint: z.string().regex(/^[0-9a-f]{64}$/),
  data: z.string().max(1000),
  from: count,
  recordBytes: z.int().positive(),
  share: z.number().gt(0).max(1),
  centreShare: z.number().gt(0).max(1),
  clusters: z.int().positive().max(MOST_BYTES),
  perCluster: z.int().positive(),
  width: z.int().positive().max(65536),
  centres: z.string(),
  samples: z.array(z.strictObject({ record: count, cluster: count, distance: finite })),
});

function corrupt(path: string, problem: string, cause?: unknown): MedcossError {
  const line = problem.replace(/\s*\n\s*/g, " ").slice(0, 200);
  return new MedcossError("E_BUFFER_CORRUPT", { path, problem: line }, { cause });
}

/** [clusters, width] float32, little-endian, from base64 of exactly that many bytes. */
function decodeCentres(path: string, text: string, values: number): Float32Array {
  const bytes = values * 4;
  if (text.length !== 4 * Math.ceil(bytes / 3)) {
    throw corrupt(path, `centres has ${text.length} characters, not those of ${values} numbers`);
  }
  const decoded = Bytes.from(text, "base64");
  if (decoded.length !== bytes) throw corrupt(path, "centres is not base64");
  const centres = new Float32Array(values);
  new Uint8Array(centres.buffer).set(decoded);
  if (!centres.every(Number.isFinite)) throw corrupt(path, "a centre is not finite");
  return centres;
}

function checkSamples(path: string, buffer: Omit<Buffer, "centres">): void {
  const { samples, clusters, perCluster } = buffer;
  const seen = new Set<number>();
  const members = new Map<number, number>();
  for (const { record, cluster } of samples) {
    if (cluster >= clusters) throw corrupt(path, `cluster ${cluster} of ${clusters}`);
    if (seen.has(record)) throw corrupt(path, `record ${record} is there twice`);
    seen.add(record);
    const size = (members.get(cluster) ?? 0) + 1;
    if (size > perCluster) throw corrupt(path, `cluster ${cluster} has over ${perCluster} samples`);
    members.set(cluster, size);
  }
  if (samples.length > buffer.from) throw corrupt(path, "more samples than it was chosen from");
}

function parse(path: string, text: string): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw corrupt(path, "not JSON", cause);
  }
  const result = fileSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0] as z.core.$ZodIssue;
    throw corrupt(path, `${issue.path.join(".") || "whole"}: ${issue.message}`, result.error);
  }
  const { format: _, centres: encoded, ...rest } = result.data;
  checkSamples(path, rest);
  return { ...rest, centres: decodeCentres(path, encoded, rest.clusters * rest.width) };
}

/** The text of a file no longer than `MOST_BYTES`; undefined where there is none. */
async function readBounded(path: string): Promise<string | undefined> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw corrupt(path, `it cannot be read (${error.code})`, error);
  });
  if (!file) return undefined;
  try {
    const found = await file.stat();
    if (!found.isFile()) throw corrupt(path, "not a file");
    if (found.size > MOST_BYTES) throw corrupt(path, `${found.size} bytes, over ${MOST_BYTES}`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** The `buffer.json` that `path` means: itself, or that of a stage's folder. */
async function locate(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ? join(path, BUFFER_FILE) : path;
}

/** Reads a `buffer.json`, or that of a stage's folder. Throws E_NO_BUFFER, E_BUFFER_CORRUPT. */
export async function readBuffer(path: string): Promise<Buffer> {
  const file = await locate(path);
  const text = await readBounded(file);
  if (text === undefined) throw new MedcossError("E_NO_BUFFER", { path });
  return parse(file, text);
}

/** Writes a `buffer.json`, one line for each sample; readers see the old content or the new. */
export async function writeBuffer(path: string, buffer: Buffer): Promise<void> {
  const { centres, samples, ...head } = buffer;
  const bytes = Bytes.from(centres.buffer, centres.byteOffset, centres.byteLength);
  const fields = { format: "medcoss-buffer", ...head, centres: bytes.toString("base64") };
  const lines = Object.entries(fields).map(
    ([name, value]) => ` ${JSON.stringify(name)}: ${JSON.stringify(value)},`,
  );
  const list = samples.map((sample) => `  ${JSON.stringify(sample)}`).join(",\n");
  const text = `{\n${lines.join("\n")}\n "samples": [\n${list}\n ]\n}\n`;
  if (text.length > MOST_BYTES) {
    const expected = `a buffer of at most ${MOST_BYTES} bytes`;
    const values = { expected, argument: "centres and samples", received: text.length };
    throw new MedcossError("E_ARGUMENT", values);
  }
  await replaceFile(path, text);
}
