/**
 * A restricted reader of Python pickles: plain data and references to tensors, nothing else.
 *
 * Invariant: nothing is ever called or imported. A class or function named by the file becomes an `Opaque` value,
 * except the few names that PyTorch uses to describe a tensor. Memory is bounded by the length of the input.
 */
import { MedcossError } from "../errors.js";

/** A class, function or object that the file names and that is not followed. */
export class Opaque {
  constructor(readonly name: string) {}
}

/** Where a tensor's numbers lie: `numel` elements under `key`. */
export interface StorageReference {
  /** PyTorch's name of the storage class, for example `FloatStorage`. */
  type: string;
  key: string;
  numel: number;
}

/** A tensor as strides over a storage, in elements. */
export class TensorReference {
  constructor(
    readonly storage: StorageReference,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
  ) {}
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Opaque
  | TensorReference;

const MARK = Symbol("mark");
type StackItem = PickleValue | typeof MARK;

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** One pickle of a file; `end` is the position after its STOP. */
export class Unpickler {
  readonly #bytes: Buffer;
  readonly #path: string;
  readonly #stack: StackItem[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;

  constructor(bytes: Buffer, path: string, start = 0) {
    this.#bytes = bytes;
    this.#path = path;
    this.#at = start;
  }

  get end(): number {
    return this.#at;
  }

  /** Reads up to STOP. Throws E_CHECKPOINT_CORRUPT. */
  read(): PickleValue {
    for (;;) {
      const code = this.#byte();
      if (code === 0x2e) return this.#pop();
      const operation = operations[code];
      if (!operation) this.#fail(`unknown pickle operation 0x${code.toString(16)}`);
      operation.call(this, this.#machine);
    }
  }

  readonly #machine: Machine = {
    take: (length) => this.#take(length),
    line: () => this.#line(),
    push: (value) => void this.#stack.push(value),
    mark: () => void this.#stack.push(MARK),
    pop: () => this.#pop(),
    top: () => this.#top(),
    popToMark: () => this.#popToMark(),
    remember: (index) => void this.#memo.set(index ?? this.#memo.size, this.#top()),
    recall: (index) => {
      const value = this.#memo.get(index);
      if (value === undefined) this.#fail(`memo ${index} is empty`);
      this.#stack.push(value);
    },
    fail: (problem) => this.#fail(problem),
  };

  #fail(problem: string): never {
    throw new MedcossError("E_CHECKPOINT_CORRUPT", { path: this.#path, problem });
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) this.#fail("the pickle ends early");
    const slice = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return slice;
  }

  #byte(): number {
    return this.#take(1)[0] as number;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) this.#fail("the pickle ends early");
    return this.#take(end + 1 - this.#at)
      .subarray(0, -1)
      .toString("utf8");
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) this.#fail("the pickle's stack is empty");
    return value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) this.#fail("the pickle's stack is empty");
    return value;
  }

  #popToMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) this.#fail("the pickle has no mark");
    return this.#stack.splice(at).slice(1) as PickleValue[];
  }
}

interface Machine {
  take(length: number): Buffer;
  line(): string;
  push(value: PickleValue): void;
  mark(): void;
  pop(): PickleValue;
  top(): PickleValue;
  popToMark(): PickleValue[];
  remember(index?: number): void;
  recall(index: number): void;
  fail(problem: string): never;
}

type Operation = (machine: Machine) => void;

/** A signed little-endian integer of any length. */
function longFrom(bytes: Buffer): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  const signed = BigInt.asIntN(bytes.length * 8, value);
  return signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER
    ? Number(signed)
    : signed;
}

function setPairs(machine: Machine, pairs: PickleValue[]): void {
  const target = machine.top();
  if (!(target instanceof Map)) return; // items of an object that is not followed
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    target.set(pairs[i] as PickleValue, pairs[i + 1] as PickleValue);
  }
}

function append(machine: Machine, items: PickleValue[]): void {
  const target = machine.top();
  if (Array.isArray(target)) for (const item of items) target.push(item);
}

/** A storage named by a persistent id: ("storage", class, key, place, elements, ...). */
function storageFrom(id: PickleValue, machine: Machine): PickleValue {
  if (!Array.isArray(id) || id[0] !== "storage") machine.fail("an unknown persistent id");
  const [, type, key, , numel] = id;
  const known = type instanceof Opaque && typeof key === "string" && Number.isSafeInteger(numel);
  if (!known || (numel as number) < 0) machine.fail("a malformed storage");
  const name = (type as Opaque).name.split(".").at(-1) as string;
  const storage = { type: name, key: key as string, numel: numel as number };
  return new TensorReference(storage, 0, [storage.numel], [1]);
}

function tensorFrom(args: PickleValue[], machine: Machine): PickleValue {
  const [whole, offset, shape, stride] = args;
  const placed = whole instanceof TensorReference && Number.isSafeInteger(offset);
  if (!placed || !isNumbers(shape) || !isNumbers(stride) || shape.length !== stride.length) {
    machine.fail("a malformed tensor");
  }
  return new TensorReference(whole.storage, offset as number, shape, stride);
}

/** What a call in the file stands for; only these names are understood. */
const constructors: Record<string, (args: PickleValue[], machine: Machine) => PickleValue> = {
  "torch._utils._rebuild_tensor": tensorFrom,
  "torch._utils._rebuild_tensor_v2": tensorFrom,
  "torch._utils._rebuild_parameter": (args) => args[0] ?? null,
  "collections.OrderedDict": () => new Map(),
};

function reduce(machine: Machine): void {
  const args = machine.pop();
  const callee = machine.pop();
  const name = callee instanceof Opaque ? callee.name : "an object";
  const construct = Object.hasOwn(constructors, name) ? constructors[name] : undefined;
  const values = Array.isArray(args) ? args : [];
  machine.push(construct ? construct(values, machine) : new Opaque(`${name}()`));
}

function tuple(count: number): Operation {
  return (machine) => {
    const items = Array.from({ length: count }, () => machine.pop());
    machine.push(items.reverse());
  };
}

function text(length: (machine: Machine) => number, encoding: BufferEncoding): Operation {
  return (machine) => machine.push(machine.take(length(machine)).toString(encoding));
}

function binary(length: (machine: Machine) => number): Operation {
  return (machine) => machine.push(new Uint8Array(machine.take(length(machine))));
}

const u8 = (machine: Machine) => machine.take(1).readUInt8();
const u16 = (machine: Machine) => machine.take(2).readUInt16LE();
const u32 = (machine: Machine) => machine.take(4).readUInt32LE();
const u64 = (machine: Machine) => Number(machine.take(8).readBigUInt64LE());

const operations: Record<number, Operation | undefined> = {
  0x80: (m) => void m.take(1), // PROTO
  0x95: (m) => void m.take(8), // FRAME
  0x28: (m) => m.mark(), // MARK
  0x30: (m) => void m.pop(), // POP
  0x31: (m) => void m.popToMark(), // POP_MARK
  0x4e: (m) => m.push(null), // NONE
  0x88: (m) => m.push(true), // NEWTRUE
  0x89: (m) => m.push(false), // NEWFALSE
  0x4a: (m) => m.push(m.take(4).readInt32LE()), // BININT
  0x4b: (m) => m.push(u8(m)), // BININT1
  0x4d: (m) => m.push(u16(m)), // BININT2
  0x8a: (m) => m.push(longFrom(m.take(u8(m)))), // LONG1
  0x8b: (m) => m.push(longFrom(m.take(u32(m)))), // LONG4
  0x47: (m) => m.push(m.take(8).readDoubleBE()), // BINFLOAT
  0x55: text(u8, "latin1"), // SHORT_BINSTRING
  0x54: text(u32, "latin1"), // BINSTRING
  0x58: text(u32, "utf8"), // BINUNICODE
  0x8c: text(u8, "utf8"), // SHORT_BINUNICODE
  0x8d: text(u64, "utf8"), // BINUNICODE8
  0x43: binary(u8), // SHORT_BINBYTES
  0x42: binary(u32), // BINBYTES
  0x8e: binary(u64), // BINBYTES8
  0x7d: (m) => m.push(new Map()), // EMPTY_DICT
  0x64: (m) => {
    // DICT
    const pairs = m.popToMark();
    m.push(new Map());
    setPairs(m, pairs);
  },
  0x5d: (m) => m.push([]), // EMPTY_LIST
  0x6c: (m) => m.push(m.popToMark()), // LIST
  0x8f: (m) => m.push([]), // EMPTY_SET
  0x90: (m) => append(m, m.popToMark()), // ADDITEMS
  0x29: (m) => m.push([]), // EMPTY_TUPLE
  0x85: tuple(1), // TUPLE1
  0x86: tuple(2), // TUPLE2
  0x87: tuple(3), // TUPLE3
  0x74: (m) => m.push(m.popToMark()), // TUPLE
  0x61: (m) => append(m, [m.pop()]), // APPEND
  0x65: (m) => append(m, m.popToMark()), // APPENDS
  0x73: (m) => {
    // SETITEM
    const value = m.pop();
    setPairs(m, [m.pop(), value]);
  },
  0x75: (m) => setPairs(m, m.popToMark()), // SETITEMS
  0x71: (m) => m.remember(u8(m)), // BINPUT
  0x72: (m) => m.remember(u32(m)), // LONG_BINPUT
  0x94: (m) => m.remember(), // MEMOIZE
  0x68: (m) => m.recall(u8(m)), // BINGET
  0x6a: (m) => m.recall(u32(m)), // LONG_BINGET
  0x63: (m) => m.push(new Opaque(`${m.line()}.${m.line()}`)), // GLOBAL
  0x93: (m) => {
    // STACK_GLOBAL
    const name = m.pop();
    m.push(new Opaque(`${String(m.pop())}.${String(name)}`));
  },
  0x51: (m) => m.push(storageFrom(m.pop(), m)), // BINPERSID
  0x52: reduce, // REDUCE
  0x81: reduce, // NEWOBJ
  0x62: (m) => void m.pop(), // BUILD: the state of an object is not followed
};
