/**
 * Arguments that are right but for one place, for functions that must not trust their caller.
 *
 * Invariant: what is right is never changed; each wrong list of arguments is a copy down to the wrong place.
 */

export type Path = Array<string | number>;

/** A value for one place, and whether it must be refused there; otherwise it may do, too. */
interface Wrong {
  label: string;
  value: unknown;
  refused: boolean;
}

type Kind = "number" | "string" | "boolean" | "numbers" | "array" | "object";

const isNumbers = (value: unknown): value is ArrayBufferView & { buffer: ArrayBuffer } =>
  ArrayBuffer.isView(value);

function kindOf(value: unknown): Kind {
  if (isNumbers(value)) return "numbers";
  if (Array.isArray(value)) return "array";
  return typeof value as Kind;
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, name) => (inner as Record<string, unknown>)[name], value);

/** The paths of everything in `args`, containers before what they hold; typed arrays are one place. */
export function leaves(args: unknown, path: Path = []): Path[] {
  const own = path.length > 0 ? [path] : [];
  if (typeof args !== "object" || args === null || isNumbers(args)) return own;
  const inner = Object.entries(args).filter(([, value]) => value !== undefined);
  return [...own, ...inner.flatMap(([name, value]) => leaves(value, [...path, name]))];
}

/** `args` with another value at a path. */
export function replaced<Args>(args: Args, [name, ...rest]: Path, value: unknown): Args {
  if (name === undefined) return value as Args;
  const copy = (Array.isArray(args) ? [...args] : { ...args }) as Record<string, unknown>;
  copy[name] = replaced(copy[name], rest, value);
  return copy as Args;
}

/** Hands the memory of an array away, as posting it to another thread does. */
export function detach(array: ArrayBufferView): void {
  const { buffer } = array;
  if (buffer instanceof ArrayBuffer) structuredClone(buffer, { transfer: [buffer] });
}

function detachedCopy(array: ArrayBufferView): unknown {
  const copy = structuredClone(array);
  detach(copy);
  return copy;
}

const trap = () => {
  throw Object.assign(new Error("trapped"));
};

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, -0, 0, 0.5];
const large = [-1e300, 1e300, 5e-324, 2 ** 31 - 0.5, -(2 ** 31), 2 ** 33, 2 ** 53, 2 ** 64];
const types = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array],
];

/** One or more values of each kind. */
const samples: Array<[Kind | "none", string, unknown]> = [
  ["none", "null", null],
  ["none", "a bigint", 1n],
  ["none", "a symbol", Symbol("x")],
  ["string", "''", ""],
  ["string", "'x'", "x"],
  ["string", "'\\0'", "\0"],
  ["string", "a lone surrogate", "\ud800"],
  ["string", "a long string", "x".repeat(1e6)],
  ["boolean", "true", true],
  ["array", "[]", []],
  ["array", "a sparse array", new Array(3)],
  ["array", "an array of 4,000,000,000", Object.assign([], { length: 4e9 })],
  ["object", "{}", {}],
  ["object", "without a prototype", Object.create(null)],
  ["object", "a map", new Map()],
  ["object", "a date", new Date()],
  ["object", "a promise", Promise.resolve()],
  ["object", "a function", () => 1],
  ["object", "a class", class {}],
  ["object", "an ArrayBuffer", new ArrayBuffer(8)],
  ["object", "a SharedArrayBuffer", new SharedArrayBuffer(8)],
  ["object", "a trap", new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap })],
  ["object", "a trap of an array", new Proxy([], { get: trap })],
  ["object", "a revoked proxy", revoked()],
  ["numbers", "a DataView", new DataView(new ArrayBuffer(8))],
  ...types.map((Type): [Kind, string, unknown] => ["numbers", `${Type.name} of 0`, new Type(0)]),
  ...types.map((Type): [Kind, string, unknown] => ["numbers", `${Type.name} of 7`, new Type(7)]),
  ...[...numbers, ...large].map((x): [Kind, string, unknown] => ["number", String(x), x]),
];

/** What may not stand at a path of `args`, and what is odd there. */
export function wrongFor(path: Path, args: unknown): Wrong[] {
  const right = at(args, path);
  const kind = kindOf(right);
  const wrong = samples.map(([other, label, value]) => {
    // No array of numbers fits whose length is another.
    const refused = other !== kind || kind === "numbers" || kind === "object";
    return { label, value, refused };
  });
  // Some places may be empty.
  wrong.push({ label: "undefined", value: undefined, refused: false });
  if (!isNumbers(right)) return wrong;
  return [...wrong, { label: "a detached array", value: detachedCopy(right), refused: true }];
}

/** All typed arrays in `args`. */
export function arraysOf(args: unknown): ArrayBufferView[] {
  return leaves(args)
    .map((path) => at(args, path))
    .filter(isNumbers);
}
