/**
 * Writes tensors as a `.pth` that PyTorch loads with `weights_only=True`: a zip of stored entries, one per tensor, and a
 * pickle (protocol 2) that describes them as `{"model": {name: tensor}}`.
 *
 * Invariant: the file's bytes depend on the tensors alone; one tensor is in memory at a time.
 */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import yazl from "yazl";
import type { TensorFile } from "./pth.js";

const opcode = {
  protocol2: Buffer.from([0x80, 2]),
  mark: Buffer.from("("),
  emptyDictionary: Buffer.from("}"),
  setItems: Buffer.from("u"),
  tuple: Buffer.from("t"),
  emptyTuple: Buffer.from(")"),
  reduce: Buffer.from("R"),
  persistentId: Buffer.from("Q"),
  false: Buffer.from([0x89]),
  stop: Buffer.from("."),
};

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  const head = Buffer.from([0x58, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A non-negative integer of at most 31 bits. */
function integer(value: number): Buffer {
  const bytes = Buffer.from([0x4a, 0, 0, 0, 0]);
  bytes.writeInt32LE(value, 1);
  return bytes;
}

function symbol(module: string, name: string): Buffer {
  return Buffer.from(`c${module}\n${name}\n`);
}

function tupleOf(...items: Buffer[]): Buffer {
  return Buffer.concat([opcode.mark, ...items, opcode.tuple]);
}

function tensorPickle(key: string, shape: readonly number[]): Buffer {
  const stride = shape.map((_, i) => shape.slice(i + 1).reduce((product, n) => product * n, 1));
  const count = shape.reduce((product, n) => product * n, 1);
  const storage = Buffer.concat([
    tupleOf(
      text("storage"),
      symbol("torch", "FloatStorage"),
      text(key),
      text("cpu"),
      integer(count),
    ),
    opcode.persistentId,
  ]);
  const hooks = [symbol("collections", "OrderedDict"), opcode.emptyTuple, opcode.reduce];
  const args = tupleOf(
    storage,
    integer(0),
    tupleOf(...shape.map(integer)),
    tupleOf(...stride.map(integer)),
    opcode.false,
    Buffer.concat(hooks),
  );
  return Buffer.concat([symbol("torch._utils", "_rebuild_tensor_v2"), args, opcode.reduce]);
}

function statePickle(tensors: TensorFile["tensors"]): Buffer {
  const items = [...tensors].flatMap(([name, shape], i) => [
    text(name),
    tensorPickle(String(i), shape),
  ]);
  return Buffer.concat([
    opcode.protocol2,
    opcode.emptyDictionary,
    opcode.mark,
    text("model"),
    Buffer.concat([opcode.emptyDictionary, opcode.mark, ...items, opcode.setItems]),
    opcode.setItems,
    opcode.stop,
  ]);
}

/** Entries carry no time of their own, so that equal tensors give equal files. */
const entryOptions = { compress: false, mtime: new Date(1980, 0, 1), mode: 0o644 };

/** Writes all tensors of `source` to `path` in their order, as float32. */
export async function writePth(path: string, source: TensorFile): Promise<void> {
  const zip = new yazl.ZipFile();
  const failed = new Promise<never>((_, reject) => zip.on("error", reject));
  zip.addBuffer(statePickle(source.tensors), "archive/data.pkl", entryOptions);
  zip.addBuffer(Buffer.from("little"), "archive/byteorder", entryOptions);
  let key = 0;
  for (const [name, shape] of source.tensors) {
    const size = 4 * shape.reduce((product, n) => product * n, 1);
    const options = { ...entryOptions, size };
    zip.addReadStreamLazy(`archive/data/${key++}`, options, (give) => {
      source.read(name).then(
        (values) => give(null, Readable.from([Buffer.from(values.buffer)], { objectMode: false })),
        (error: unknown) => give(error, Readable.from([])),
      );
    });
  }
  zip.addBuffer(Buffer.from("3\n"), "archive/version", entryOptions);
  zip.end();
  await Promise.race([
    pipeline(zip.outputStream, createWriteStream(path, { flush: true })),
    failed,
  ]);
}
