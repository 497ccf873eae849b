/**
 * Reads and writes safetensors files: eight bytes of header length, a JSON header, then the tensors' bytes.
 *
 * Invariant: a header is trusted only after every size in it was checked against the file; the tensors fill the data
 * without gap or overlap, so nothing can hide between them and nothing is allocated that the file does not hold.
 */
import { type FileHandle, open } from "node:fs/promises";
import { MedcossError } from "./errors.js";

const bytesOf = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type Dtype = keyof typeof bytesOf;

/** A tensor's entry in the header; `begin` and `end` count from the first byte after the header. */
export interface TensorEntry {
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  /** Bytes before the first tensor. */
  dataStart: number;
  tensors: Map<string, TensorEntry>;
  metadata: Record<string, string>;
}

/** A tensor in memory, row-major; 16-bit floats stay as their bits, 64-bit integers as pairs of words. */
export interface Tensor {
  dtype: Dtype;
  shape: number[];
  data:
    | Uint8Array
    | Int8Array
    | Uint16Array
    | Int16Array
    | Uint32Array
    | Int32Array
    | Float32Array
    | Float64Array;
}

/** Largest header that is read. */
const HEADER_LIMIT = 100 * 2 ** 20;
const ALIGNMENT = 8;

function broken(path: string, problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", {
    format: "safetensors",
    problem: `${path}: ${problem}`,
    reason: problem,
  });
}

/** Bytes of a tensor of this type and shape. */
export function byteLength(dtype: Dtype, shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, bytesOf[dtype]);
}

function parseEntry(path: string, name: string, value: unknown): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(bytesOf, dtype)) {
    broken(path, `${name} has the unknown type ${String(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) broken(path, `${name} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    broken(path, `${name} has no valid place`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== byteLength(dtype as Dtype, shape)) {
    broken(path, `${name} takes ${end - begin} bytes, which is not what its shape needs`);
  }
  return { dtype: dtype as Dtype, shape, begin, end };
}

function parseMetadata(path: string, value: unknown): Record<string, string> {
  const isText = (item: unknown) => typeof item === "string";
  if (typeof value !== "object" || value === null || !Object.values(value).every(isText)) {
    broken(path, "its metadata is not text");
  }
  return value as Record<string, string>;
}

function checkLayout(path: string, tensors: Map<string, TensorEntry>, dataBytes: number): void {
  let position = 0;
  for (const [name, entry] of [...tensors].sort(
    (a, b) => a[1].begin - b[1].begin || a[1].end - b[1].end,
  )) {
    if (entry.begin !== position) broken(path, `${name} does not follow the tensor before it`);
    position = entry.end;
  }
  if (position !== dataBytes) {
    broken(path, `its tensors take ${position} bytes and ${dataBytes} are there`);
  }
}

/**
 * Parses the JSON header of a file of `fileBytes` bytes.
 *
 * @throws MedcossError E_FILE_FORMAT where a size does not fit; `path` is for the message.
 */
export function decodeHeader(json: Uint8Array, fileBytes: number, path: string): SafetensorsHeader {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    broken(path, "its header is not JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    broken(path, "its header is not an object");
  }
  const tensors = new Map<string, TensorEntry>();
  const { __metadata__: metadata = {}, ...entries } = parsed as Record<string, unknown>;
  for (const [name, value] of Object.entries(entries))
    tensors.set(name, parseEntry(path, name, value));
  const dataStart = 8 + json.byteLength;
  checkLayout(path, tensors, fileBytes - dataStart);
  return { dataStart, tensors, metadata: parseMetadata(path, metadata) };
}

/** The bytes in front of the data of tensors that are written in the order given; their number is a multiple of 8. */
export function encodeHeader(
  tensors: Iterable<readonly [name: string, tensor: { dtype: Dtype; shape: readonly number[] }]>,
  metadata?: Record<string, string>,
): Uint8Array {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let position = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const end = position + byteLength(dtype, shape);
    header[name] = { dtype, shape, data_offsets: [position, end] };
    position = end;
  }
  const text = JSON.stringify(header);
  const unpadded = Buffer.byteLength(text);
  const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT;
  const bytes = Buffer.alloc(8 + unpadded + padding, " ");
  bytes.writeBigUInt64LE(BigInt(unpadded + padding), 0);
  bytes.write(text, 8);
  return bytes;
}

async function readExactly(
  file: FileHandle,
  path: string,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) broken(path, "it ends too early");
    done += bytesRead;
  }
  return bytes;
}

async function headerOf(file: FileHandle, path: string): Promise<SafetensorsHeader> {
  const { size } = await file.stat();
  if (size < 8) broken(path, "it is too short");
  const length = Number((await readExactly(file, path, 0, 8)).readBigUInt64LE(0));
  if (length > Math.min(HEADER_LIMIT, size - 8)) {
    broken(path, `its header claims ${length} bytes of a file of ${size}`);
  }
  return decodeHeader(await readExactly(file, path, 8, length), size, path);
}

async function opened<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (missing) throw new MedcossError("E_SOURCE_MISSING", { path }, { cause: error });
    const { message: reason } = error as Error;
    throw new MedcossError("E_FILE_UNREADABLE", { problem: path, reason }, { cause: error });
  }
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Reads a file's header only. */
export function readHeader(path: string): Promise<SafetensorsHeader> {
  return opened(path, (file) => headerOf(file, path));
}

const views = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  U16: Uint16Array,
  I16: Int16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  U32: Uint32Array,
  I32: Int32Array,
  F32: Float32Array,
  U64: Uint32Array,
  I64: Int32Array,
  F64: Float64Array,
} as const;

/** Reads the named tensors, or all of them. */
export function readTensors(path: string, names?: readonly string[]): Promise<Map<string, Tensor>> {
  return opened(path, async (file) => {
    const header = await headerOf(file, path);
    const found = new Map<string, Tensor>();
    for (const name of names ?? header.tensors.keys()) {
      const entry = header.tensors.get(name) ?? broken(path, `it has no tensor ${name}`);
      const bytes = await readExactly(
        file,
        path,
        header.dataStart + entry.begin,
        entry.end - entry.begin,
      );
      const copy = new Uint8Array(bytes).buffer;
      found.set(name, {
        dtype: entry.dtype,
        shape: entry.shape,
        data: new views[entry.dtype](copy),
      });
    }
    return found;
  });
}

/** Writes a file of the given tensors and flushes it to disk. */
export async function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Record<string, string>,
): Promise<void> {
  for (const [name, { dtype, shape, data }] of tensors) {
    if (byteLength(dtype, shape) !== data.byteLength) {
      const expected = `${byteLength(dtype, shape)} bytes`;
      throw new MedcossError("E_ARGUMENT", { expected, argument: name, received: data.byteLength });
    }
  }
  const file = await open(path, "w");
  try {
    await file.writeFile(encodeHeader(tensors, metadata));
    for (const { data } of tensors.values()) {
      await file.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
