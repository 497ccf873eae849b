/**
 * PyTorch's `.pth` files as named tensors: the zip form and the legacy form that came before PyTorch 1.6.
 *
 * Invariant: nothing of the file runs; only tensors of the state dictionary are followed, and every size is checked
 * against the file before memory is taken.
 */
import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import yauzl from "yauzl";
import { MedcossError } from "../errors.js";
import { type PickleValue, type StorageReference, TensorReference, Unpickler } from "./pickle.js";

/** A state dictionary whose numbers are still in the file. */
export interface TensorFile {
  readonly path: string;
  /** Names and shapes in the file's order. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  /** The values of one tensor, row-major, as float32. Throws E_CHECKPOINT_CORRUPT. */
  read(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

type ReadStorage = (storage: StorageReference) => Promise<Buffer>;

/** Longest description of tensors that is read; the published one has 60 kB. */
const PICKLE_LIMIT = 64 * 2 ** 20;

/** First byte of a pickle of protocol 2 or later. */
const PICKLE = "\x80";
const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyProtocol = 1001;

const itemBytes: Record<string, number | undefined> = {
  DoubleStorage: 8,
  LongStorage: 8,
  FloatStorage: 4,
  IntStorage: 4,
  HalfStorage: 2,
  BFloat16Storage: 2,
  ShortStorage: 2,
  CharStorage: 1,
  ByteStorage: 1,
  BoolStorage: 1,
};

function corrupt(path: string, problem: string, cause?: unknown): MedcossError {
  return new MedcossError("E_CHECKPOINT_CORRUPT", { path, problem }, { cause });
}

function bytesOf(storage: StorageReference, path: string): number {
  const size = itemBytes[storage.type];
  if (!size) throw corrupt(path, `numbers of type ${storage.type} are not understood`);
  return storage.numel * size;
}

function halfToNumber(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratch = new DataView(new ArrayBuffer(4));
function bfloatToNumber(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** How one element of a storage is read. */
function elementReader(storage: StorageReference, bytes: Buffer): (index: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (storage.type) {
    case "DoubleStorage":
      return (i) => view.getFloat64(8 * i, true);
    case "LongStorage":
      return (i) => Number(view.getBigInt64(8 * i, true));
    case "IntStorage":
      return (i) => view.getInt32(4 * i, true);
    case "HalfStorage":
      return (i) => halfToNumber(view.getUint16(2 * i, true));
    case "BFloat16Storage":
      return (i) => bfloatToNumber(view.getUint16(2 * i, true));
    case "ShortStorage":
      return (i) => view.getInt16(2 * i, true);
    case "CharStorage":
      return (i) => view.getInt8(i);
    case "ByteStorage":
    case "BoolStorage":
      return (i) => view.getUint8(i);
    default:
      return (i) => view.getFloat32(4 * i, true);
  }
}

function rowMajorStride(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) {
    stride[i] = (stride[i + 1] as number) * (shape[i + 1] as number);
  }
  return stride;
}

function isRowMajor(tensor: TensorReference): boolean {
  const dense = rowMajorStride(tensor.shape);
  return tensor.shape.every((size, i) => size === 1 || tensor.stride[i] === dense[i]);
}

/** The values of a tensor out of its storage, strides applied. */
function gather(tensor: TensorReference, bytes: Buffer): Float32Array {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.storage.type === "FloatStorage" && isRowMajor(tensor)) {
    const from = bytes.byteOffset + 4 * tensor.offset;
    return new Float32Array(bytes.buffer.slice(from, from + 4 * count));
  }
  const element = elementReader(tensor.storage, bytes);
  const values = new Float32Array(count);
  const position = new Array<number>(tensor.shape.length).fill(0);
  let at = tensor.offset;
  for (let i = 0; i < count; i++) {
    values[i] = element(at);
    for (let axis = position.length - 1; axis >= 0; axis--) {
      const stride = tensor.stride[axis] as number;
      position[axis] = (position[axis] as number) + 1;
      at += stride;
      if ((position[axis] as number) < (tensor.shape[axis] as number)) break;
      at -= stride * (tensor.shape[axis] as number);
      position[axis] = 0;
    }
  }
  return values;
}

/** A tensor must lie inside its storage and not repeat elements, so that its size is that of the file. */
function checkTensor(name: string, tensor: TensorReference, path: string): void {
  const { shape, stride, offset, storage } = tensor;
  const count = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((at, size, i) => at + (size - 1) * (stride[i] as number), offset);
  bytesOf(storage, path);
  if (count > storage.numel || (count > 0 && last >= storage.numel)) {
    throw corrupt(path, `the tensor ${name} reaches beyond its storage`);
  }
}

/** The state dictionary of a checkpoint: under `model`, under `state_dict`, or the file's own root. */
function stateDictionary(root: PickleValue, path: string): Map<string, TensorReference> {
  const nested = root instanceof Map ? (root.get("model") ?? root.get("state_dict")) : undefined;
  const dictionary = nested instanceof Map ? nested : root;
  const tensors = new Map<string, TensorReference>();
  if (dictionary instanceof Map) {
    for (const [name, value] of dictionary) {
      if (typeof name !== "string" || !(value instanceof TensorReference)) continue;
      checkTensor(name, value, path);
      tensors.set(name, value);
    }
  }
  if (tensors.size === 0) throw corrupt(path, "it holds no tensors by name");
  return tensors;
}

class PthFile implements TensorFile {
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  readonly #references: Map<string, TensorReference>;
  readonly #readStorage: ReadStorage;
  readonly #handle: FileHandle;

  constructor(
    readonly path: string,
    root: PickleValue,
    readStorage: ReadStorage,
    handle: FileHandle,
  ) {
    this.#references = stateDictionary(root, path);
    this.tensors = new Map([...this.#references].map(([name, { shape }]) => [name, shape]));
    this.#readStorage = readStorage;
    this.#handle = handle;
  }

  /** Where the tensors' numbers are. */
  get storages(): StorageReference[] {
    return [...this.#references.values()].map(({ storage }) => storage);
  }

  async read(name: string): Promise<Float32Array> {
    const tensor = this.#references.get(name);
    if (!tensor) throw corrupt(this.path, `it has no tensor ${name}`);
    return gather(tensor, await this.#readStorage(tensor.storage));
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead);
}

// --- the zip form ---

async function zipEntries(handle: FileHandle): Promise<[yauzl.ZipFile, Map<string, yauzl.Entry>]> {
  const fromFd = promisify<number, yauzl.Options, yauzl.ZipFile>(yauzl.fromFd);
  const zip = await fromFd(handle.fd, { lazyEntries: true, autoClose: false });
  const entries = new Map<string, yauzl.Entry>();
  await new Promise<void>((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", resolve);
    zip.on("entry", (entry: yauzl.Entry) => {
      entries.set(entry.fileName, entry);
      zip.readEntry();
    });
    zip.readEntry();
  });
  return [zip, entries];
}

function refuseCompressed(entry: yauzl.Entry): void {
  if (entry.compressionMethod !== 0) throw new Error(`${entry.fileName} is compressed`);
}

async function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Buffer> {
  refuseCompressed(entry);
  const openStream = promisify<yauzl.Entry, NodeJS.ReadableStream>(zip.openReadStream.bind(zip));
  const target = Buffer.alloc(entry.uncompressedSize);
  let at = 0;
  for await (const chunk of await openStream(entry)) at += (chunk as Buffer).copy(target, at);
  return target;
}

async function openZip(path: string, handle: FileHandle): Promise<TensorFile> {
  const [zip, entries] = await zipEntries(handle);
  const description = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (!description) throw new Error("it is a zip archive without a PyTorch state");
  const folder = description.slice(0, -"data.pkl".length);
  const pickle = entries.get(description) as yauzl.Entry;
  if (pickle.uncompressedSize > PICKLE_LIMIT) throw new Error("its description is too long");
  const root = new Unpickler(await readEntry(zip, pickle), path).read();
  const entryOf = (storage: StorageReference) => {
    const entry = entries.get(`${folder}data/${storage.key}`);
    if (entry?.uncompressedSize !== bytesOf(storage, path)) {
      throw corrupt(path, `the storage ${storage.key} is missing or of another size`);
    }
    refuseCompressed(entry);
    return entry;
  };
  const readStorage = async (storage: StorageReference) => readEntry(zip, entryOf(storage));
  const file = new PthFile(path, root, readStorage, handle);
  for (const storage of file.storages) entryOf(storage);
  return file;
}

// --- the legacy form ---

/** Positions of the legacy form's storages: each is a 64-bit count and then the numbers. */
async function legacyStorages(
  handle: FileHandle,
  start: number,
  keys: PickleValue,
  storages: Map<string, StorageReference>,
  path: string,
): Promise<Map<string, number>> {
  const positions = new Map<string, number>();
  const { size } = await handle.stat();
  let at = start;
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = storages.get(String(key));
    if (!storage) throw corrupt(path, `the storage ${String(key)} belongs to no tensor`);
    const head = await readAt(handle, at, 8);
    const bytes = bytesOf(storage, path);
    const whole = head.length === 8 && Number(head.readBigInt64LE()) === storage.numel;
    if (!whole || at + 8 + bytes > size) {
      throw corrupt(path, `the storage ${storage.key} is missing or of another size`);
    }
    positions.set(storage.key, at + 8);
    at += 8 + bytes;
  }
  return positions;
}

/** All storages that a value refers to, each object visited once. */
function storagesIn(root: PickleValue): Map<string, StorageReference> {
  const found = new Map<string, StorageReference>();
  const seen = new Set<PickleValue>();
  const waiting: PickleValue[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop() as PickleValue;
    if (seen.has(value)) continue;
    if (value instanceof TensorReference) found.set(value.storage.key, value.storage);
    if (typeof value !== "object" || value === null) continue;
    seen.add(value);
    if (Array.isArray(value)) for (const item of value) waiting.push(item);
    if (value instanceof Map) for (const item of value.values()) waiting.push(item);
  }
  return found;
}

async function openLegacy(path: string, handle: FileHandle): Promise<TensorFile> {
  const head = await readAt(handle, 0, Math.min((await handle.stat()).size, PICKLE_LIMIT));
  const parts: PickleValue[] = [];
  let end = 0;
  for (let i = 0; i < 5; i++) {
    const pickle = new Unpickler(head, path, end);
    parts.push(pickle.read());
    end = pickle.end;
    if (i === 0 && parts[0] !== legacyMagic) throw corrupt(path, "it is not a PyTorch file");
  }
  const [, protocol, , root, keys] = parts;
  if (protocol !== legacyProtocol) throw corrupt(path, `protocol ${String(protocol)} is unknown`);
  const storages = storagesIn(root as PickleValue);
  const positions = await legacyStorages(handle, end, keys as PickleValue, storages, path);
  const readStorage = async (storage: StorageReference) => {
    const at = positions.get(storage.key);
    if (at === undefined) throw corrupt(path, `the storage ${storage.key} is missing`);
    return readAt(handle, at, bytesOf(storage, path));
  };
  return new PthFile(path, root as PickleValue, readStorage, handle);
}

/**
 * Opens a PyTorch checkpoint for reading. The state dictionary is taken from `model`, from `state_dict` or from the
 * root; everything else in the file (`args`, optimiser, scaler) is passed over.
 *
 * Throws E_NO_CHECKPOINT and E_CHECKPOINT_CORRUPT.
 */
export async function openPth(path: string): Promise<TensorFile> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new MedcossError("E_NO_CHECKPOINT", { path }, { cause });
  });
  try {
    const head = (await readAt(handle, 0, 4)).toString("latin1");
    if (head === "PK\x03\x04") return await openZip(path, handle);
    if (head.startsWith(PICKLE)) return await openLegacy(path, handle);
    throw corrupt(path, head === "" ? "it is empty" : "it is not a PyTorch file");
  } catch (error) {
    await handle.close();
    if (error instanceof MedcossError) throw error;
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}
