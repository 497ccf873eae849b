/**
 * What a decoding process does: turns files into records. It runs apart from the packing process, so that whatever a decoder does
 * costs the file and not the run.
 */
import { createHash } from "node:crypto";
import { appendFileSync, closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { recipeKinds } from "../../config/recipes.js";
import { MedcossError } from "../../errors.js";
import type { Scanned } from "../formats/dicom/scan.js";
import { type Emit, SkipFile } from "./packer.js";
import type { FileResult, ScanFile, Task, TaskFailure, TaskFile } from "./protocol.js";

/** Larger files are not held in memory to be looked at twice. */
const MOST_HELD_BYTES = 2 ** 26;

/** Called with the number of each file that is begun. */
type OnFile = (index: number) => void;

const packers = {
  text: async () => (await import("./pack-table.js")).packTable,
  image2d: async () => (await import("./pack-image.js")).packImage,
  volume3d: async () => (await import("./pack-volume.js")).packVolume,
};

/** All files that a source consists of. */
async function partsOf({ path, slices }: TaskFile, { recipe }: Task): Promise<string[]> {
  if (slices) return slices;
  if (recipeKinds[recipe] !== "volume3d") return [path];
  const { dataBeside } = await import("../formats/raw-volume.js");
  return [path, ...dataBeside(path)];
}

interface Source {
  digest: string;
  /** The file, where it is one and not large; good until the next file is read. */
  content?: Buffer;
}

/** Memory for files, one after another. */
let held = Buffer.alloc(0);

function readWhole(path: string, size: number): Buffer {
  if (held.length <= size) held = Buffer.allocUnsafeSlow(size + 1);
  const file = openSync(path, "r");
  try {
    let length = 0;
    for (let bytes = 1; bytes > 0 && length < held.length; length += bytes) {
      bytes = readSync(file, held, length, held.length - length, null);
    }
    return held.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

async function read(file: TaskFile, task: Task): Promise<Source> {
  const parts = await partsOf(file, task);
  const hash = createHash("sha256");
  const digest = () => hash.digest("hex").slice(0, 32);
  try {
    const [only = ""] = parts;
    const { size } = statSync(only);
    if (parts.length === 1 && size <= MOST_HELD_BYTES) {
      const content = readWhole(only, size);
      hash.update(content);
      return { digest: digest(), content };
    }
    for (const part of parts) {
      for await (const chunk of createReadStream(part, { highWaterMark: 2 ** 20 })) {
        hash.update(chunk as Buffer);
      }
    }
    return { digest: digest() };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new MedcossError("E_FILE_UNREADABLE", { problem: code ?? message }, { cause });
  }
}

/** Records of one file, in memory until the file is known to be good. */
async function packFile(task: Task, index: number): Promise<FileResult> {
  const file = task.files[index] as TaskFile;
  const { digest, content } = await read(file, task);
  if (digest === file.known) return { status: "unchanged" };
  const chunks: Uint8Array[] = [];
  const emit: Emit = ({ buffer, byteOffset, byteLength }) => {
    chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
  };
  const packer = await packers[recipeKinds[task.recipe]]();
  const { notes, ...rest } = await packer(file, task, emit, content);
  const [only] = chunks;
  if (only) appendFileSync(task.output, chunks.length > 1 ? Buffer.concat(chunks) : only);
  return { status: "packed", digest, records: notes, ...rest };
}

function rejection(error: unknown, { recipe }: Task, path: string): FileResult | undefined {
  if (error instanceof SkipFile) return { status: "skipped", reason: error.message };
  if (error instanceof MedcossError) {
    const costsTheFile = error.code.startsWith("E_FILE_") || error.code === "E_TABLE_COLUMN";
    const { code, message: reason } = error;
    return costsTheFile ? { status: "rejected", code, reason } : undefined;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return undefined;
  const problem = String(message).replaceAll(path, "the file");
  const known = new MedcossError("E_FILE_FORMAT", { format: recipe, problem });
  return { status: "rejected", code: known.code, reason: known.message };
}

function failure(error: unknown, output: string): TaskFailure {
  if (error instanceof MedcossError) return { failed: error.code, values: error.values };
  const { message } = error as Error;
  return { failed: "E_DISK_FULL", values: { path: output, problem: message } };
}

/** What each file is to a DICOM series. */
export async function scan(files: readonly ScanFile[], onFile: OnFile): Promise<Scanned[]> {
  const { scanFile } = await import("../formats/dicom/scan.js");
  const results: Scanned[] = [];
  for (const [index, { path, folder }] of files.entries()) {
    onFile(index);
    results.push(await scanFile(path, folder));
  }
  return results;
}

/** Packs the files of a task, each on its own. An error that is not a file's own ends the task. */
export async function pack(task: Task, onFile: OnFile): Promise<FileResult[] | TaskFailure> {
  const results: FileResult[] = [];
  for (const [index, { path }] of task.files.entries()) {
    onFile(index);
    try {
      results.push(await packFile(task, index));
    } catch (error) {
      const rejected = rejection(error, task, path);
      if (!rejected) return failure(error, task.output);
      results.push(rejected);
    }
  }
  return results;
}
