/**
 * Mutations of valid files, a pure function of the seed.
 *
 * Invariant: the same numbers give the same bytes on every machine.
 */
import { gunzipSync, gzipSync } from "node:zlib";

/** Numbers from 0 up to a bound. */
export type Random = (below: number) => number;

/** Mulberry32: small, and good enough to choose bytes. */
export function randomOf(...parts: number[]): Random {
  let state = parts.reduce((hash, part) => Math.imul(hash ^ part, 0x9e3779b1) >>> 0, 0x811c9dc5);
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const EXTREMES = [
  ...[0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffff],
  ...[0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
];
const NUMBERS = [
  ..."0 -1 1 3 -2147483648 32767 65535 65536 60000 2147483647 4294967295 99999999999999999999".split(
    " ",
  ),
  ..."1e308 -1e-320 NaN inf 0.0000001 0x10 1,5".split(" "),
];

/** A place in the file: every other time in its head, where the sizes are. */
function placeIn(bytes: Buffer, random: Random): number {
  const head = Math.min(bytes.length, random(2) === 0 ? 512 : bytes.length);
  return random(Math.max(1, head));
}

type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

const flipBits: Mutation = (bytes, random) => {
  const out = Buffer.from(bytes);
  for (let n = 1 + random(8); n > 0 && out.length > 0; n--) {
    const at = placeIn(out, random);
    out[at] = (out[at] as number) ^ (1 << random(8));
  }
  return out;
};

const setBytes: Mutation = (bytes, random) => {
  const out = Buffer.from(bytes);
  const at = placeIn(out, random);
  out.fill(
    [0, 255, 127, random(256)][random(4)] as number,
    at,
    Math.min(out.length, at + 1 + random(16)),
  );
  return out;
};

const truncate: Mutation = (bytes, random) => bytes.subarray(0, placeIn(bytes, random));

/** A size, an offset or a count becomes an extreme one. */
const setNumber: Mutation = (bytes, random) => {
  const out = Buffer.from(bytes);
  const wide = [1, 2, 4, 8][random(4)] as number;
  if (out.length < wide) return out;
  const at = Math.min(placeIn(out, random), out.length - wide);
  const aligned = random(2) === 0 ? at : at - (at % wide);
  const value = BigInt.asUintN(64, BigInt(EXTREMES[random(EXTREMES.length)] as number));
  const number = Buffer.alloc(8);
  if (random(2) === 0) number.writeBigUInt64LE(random(4) === 0 ? ~value & (2n ** 64n - 1n) : value);
  else number.writeBigUInt64BE(BigInt.asUintN(64, value << BigInt(64 - 8 * wide)));
  number.copy(out, aligned, 0, wide);
  return out;
};

/** A number that is written as text becomes an extreme one. */
const setText: Mutation = (bytes, random) => {
  const text = bytes.toString("latin1");
  const found = [...text.slice(0, 2 ** 16).matchAll(/-?\d+(\.\d+)?/g)];
  const one = found[random(Math.max(1, found.length))];
  if (!one) return flipBits(bytes, random, bytes);
  const number = NUMBERS[random(NUMBERS.length)] as string;
  return Buffer.from(
    text.slice(0, one.index) + number + text.slice(one.index + one[0].length),
    "latin1",
  );
};

/** A part of this file or of another one, somewhere else. */
const splice: Mutation = (bytes, random, other) => {
  const from = random(other.length + 1);
  const part = other.subarray(from, from + 1 + random(256));
  const at = placeIn(bytes, random);
  const skip = random(3) === 0 ? 0 : part.length;
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + skip)]);
};

const remove: Mutation = (bytes, random) => {
  const at = placeIn(bytes, random);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(64))]);
};

const mutations = [flipBits, flipBits, setBytes, truncate, setNumber, setNumber, setText, splice];
const all = [...mutations, remove];

function mutatePlain(bytes: Buffer, random: Random, other: Buffer): Buffer {
  let out = bytes;
  for (let n = 1 + random(3); n > 0; n--) {
    out = (all[random(all.length)] as Mutation)(out, random, other);
  }
  return out;
}

/** One to three mutations; of a gzip file every other time of what is packed in it. */
export function mutate(bytes: Buffer, random: Random, other: Buffer): Buffer {
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!packed || random(2) === 0) return mutatePlain(bytes, random, other);
  return gzipSync(mutatePlain(gunzipSync(bytes), random, other), { level: 1 });
}
