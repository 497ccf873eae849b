/**
 * Checkpoints both ways: PyTorch's `.pth` to safetensors and back, one tensor in memory at a time.
 *
 * Invariant: names, shapes, order and float32 values are kept; the output appears whole or not at all, and what a
 * trainer saved comes back from PyTorch's form to the byte.
 */
import { lstat, open, rename, rm, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { MedcossError } from "../errors.js";
import { prepareOutput } from "../files.js";
import { encodeHeader, readHeader, readTensors } from "../safetensors.js";
import { contentOf, contentProblems } from "./content.js";
import { openPth, type TensorFile } from "./pth.js";
import { writePth } from "./pth-writer.js";

/** What a conversion did. */
export interface Conversion {
  input: string;
  output: string;
  tensors: number;
  /** Numbers in all tensors together. */
  values: number;
}

/** Endings of files in PyTorch's own form. */
export const pytorchEndings = new Set([".pth", ".pt", ".bin", ".ckpt"]);

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function openSafetensors(path: string): Promise<TensorFile> {
  const header = await readHeader(path).catch((cause: unknown) => {
    const error = cause as MedcossError;
    if (error.code === "E_SOURCE_MISSING") throw new MedcossError("E_NO_CHECKPOINT", { path });
    const problem = error.values?.reason ?? error.message;
    throw new MedcossError("E_CHECKPOINT_CORRUPT", { path, problem }, { cause });
  });
  return {
    path,
    tensors: new Map([...header.tensors].map(([name, { shape }]) => [name, shape])),
    async read(name) {
      const data = (await readTensors(path, [name])).get(name)?.data;
      if (data instanceof Float32Array) return data;
      throw new MedcossError("E_CHECKPOINT_CORRUPT", { path, problem: `${name} is not float32` });
    },
    async close() {},
  };
}

const WRAPPED = "module.";

/** Without the prefix that PyTorch's DataParallel and DistributedDataParallel put before every name. */
function unwrapped(file: TensorFile): TensorFile {
  const all = [...file.tensors.keys()].every((name) => name.startsWith(WRAPPED));
  return all ? renamed(file, (name) => name.slice(WRAPPED.length)) : file;
}

/**
 * Opens a checkpoint for reading: the folder of a finished run, a folder with `model.safetensors`, a safetensors file, or
 * a `.pth`.
 */
export async function openTensorFile(path: string): Promise<TensorFile> {
  if (await isFolder(path)) {
    const final = join(path, "final", "model.safetensors");
    return openSafetensors((await isFile(final)) ? final : join(path, "model.safetensors"));
  }
  return extname(path) === ".safetensors" ? openSafetensors(path) : unwrapped(await openPth(path));
}

async function writeSafetensors(path: string, source: TensorFile): Promise<void> {
  const file = await open(path, "w");
  try {
    const entries = [...source.tensors].map(
      ([name, shape]) => [name, { dtype: "F32", shape }] as const,
    );
    await file.writeFile(encodeHeader(entries, { format: "pt" }));
    for (const name of source.tensors.keys()) {
      await file.writeFile(Buffer.from((await source.read(name)).buffer));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes beside `path` first and renames, so that a broken write leaves nothing under that name. */
async function whole(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Another name for a tensor, or undefined to leave it out. */
export type Rename = (name: string) => string | undefined;

/** The same tensors under other names; a tensor whose new name is taken keeps its own. */
function renamed(file: TensorFile, rename: Rename): TensorFile {
  const names = new Map<string, string>();
  for (const name of file.tensors.keys()) {
    const wanted = rename(name);
    if (wanted !== undefined) names.set(file.tensors.has(wanted) ? name : wanted, name);
  }
  const shapes = [...names].map(
    ([own, name]) => [own, file.tensors.get(name) as readonly number[]] as const,
  );
  return {
    path: file.path,
    tensors: new Map(shapes),
    read: (own) => file.read(names.get(own) ?? own),
    close: () => file.close(),
  };
}

/** Opens a checkpoint as `openTensorFile` does, under other names. */
export async function openRenamed(path: string, rename: Rename): Promise<TensorFile> {
  return renamed(await openTensorFile(path), rename);
}

export interface ConvertOptions {
  /** Other names for tensors, or a part of them. */
  rename?: Rename;
  /** Whether a file that is there is replaced. */
  force?: boolean;
}

function refuseEnding(output: string): void {
  const ending = extname(output);
  if (ending === ".safetensors" || pytorchEndings.has(ending)) return;
  const expected = "a name that ends in .safetensors or .pth";
  throw new MedcossError("E_ARGUMENT", { expected, argument: "OUT", received: output });
}

/**
 * Refuses to write `output` where something is, unless with `force`, and always where it is `input`, under any name.
 * Throws E_OUTPUT_EXISTS, E_ARGUMENT.
 */
export async function refuseOutput(input: string, output: string, force: boolean): Promise<void> {
  const there = (path: string) => stat(path).catch(() => undefined);
  const [from, to] = await Promise.all([there(input), there(output)]);
  if (from && to && from.ino === to.ino && from.dev === to.dev) {
    const expected = "another file than the one to convert";
    throw new MedcossError("E_ARGUMENT", { expected, argument: "OUT", received: output });
  }
  if (force) return;
  const taken = await lstat(output).catch(() => undefined);
  if (taken) throw new MedcossError("E_OUTPUT_EXISTS", { path: output });
}

function refuseOthers({ path, tensors }: TensorFile): void {
  const content = contentOf(tensors.keys());
  if (content === "network") return;
  throw new MedcossError("E_CHECKPOINT_CORRUPT", { path, problem: contentProblems[content] });
}

/**
 * Converts a checkpoint; the ending of `output` decides the direction (`.safetensors`, or PyTorch's `.pth`, `.pt`).
 *
 * Throws E_NO_CHECKPOINT, E_CHECKPOINT_CORRUPT, also for a file without a tensor of a network, E_OUTPUT_EXISTS, E_WRITE,
 * and E_ARGUMENT for another ending and for the input as output.
 */
export async function convert(
  input: string,
  output: string,
  { rename = (name) => name, force = false }: ConvertOptions = {},
): Promise<Conversion> {
  refuseEnding(output);
  const source = await openRenamed(input, rename);
  try {
    await refuseOutput(source.path, output, force);
    refuseOthers(source);
    await prepareOutput(output);
    const write = extname(output) === ".safetensors" ? writeSafetensors : writePth;
    await whole(output, (temporary) => write(temporary, source));
    const sizes = [...source.tensors.values()].map((shape) => shape.reduce((a, b) => a * b, 1));
    const values = sizes.reduce((sum, size) => sum + size, 0);
    return { input, output, tensors: sizes.length, values };
  } finally {
    await source.close();
  }
}
