import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import {
  byteLength,
  decodeHeader,
  encodeHeader,
  readHeader,
  readTensors,
  type Tensor,
  writeTensors,
} from "../lib/safetensors.js";

const folder = mkdtempSync(join(tmpdir(), "medcoss-safetensors-"));
let files = 0;

/** A file of the given header object and data bytes. */
function handMade(header: unknown, dataBytes: number): string {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const path = join(folder, `${files++}.safetensors`);
  writeFileSync(path, Buffer.concat([start, Buffer.from(text), Buffer.alloc(dataBytes)]));
  return path;
}

const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({
  dtype,
  shape,
  data_offsets: offsets,
});

t.test("what is written is read back, with its metadata and in its order", async (t) => {
  const path = join(folder, "round-trip.safetensors");
  const tensors = new Map<string, Tensor>([
    ["b", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, -2, 3.5, 0) }],
    ["a", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ["scalar", { dtype: "I16", shape: [], data: Int16Array.of(-7) }],
    ["empty", { dtype: "F64", shape: [0, 4], data: new Float64Array(0) }],
  ]);
  await writeTensors(path, tensors, { format: "pt" });
  t.strictSame([...(await readTensors(path))], [...tensors]);
  t.strictSame([...(await readTensors(path, ["a"])).keys()], ["a"]);
  const header = await readHeader(path);
  t.strictSame(header.metadata, { format: "pt" });
  t.equal(header.dataStart % 8, 0, "data begins at a multiple of 8 bytes");
  await t.rejects(readTensors(path, ["c"]), { code: "E_FILE_FORMAT" });
});

t.test("a tensor whose data do not fit its shape is not written", async (t) => {
  const wrong = new Map<string, Tensor>([
    ["x", { dtype: "F32", shape: [3], data: new Float32Array(2) }],
  ]);
  await t.rejects(writeTensors(join(folder, "wrong.safetensors"), wrong), { code: "E_ARGUMENT" });
});

t.test("sizes that do not fit the file are refused before memory is taken", async (t) => {
  const lie = Buffer.alloc(16);
  lie.writeBigUInt64LE(2n ** 40n);
  const long = join(folder, "long.safetensors");
  writeFileSync(long, lie);
  const short = join(folder, "short.safetensors");
  writeFileSync(short, "1234");
  const broken: Record<string, string> = {
    "header longer than the file": long,
    "file shorter than its first field": short,
    "not JSON": handMade("{nonsense", 0),
    "not an object": handMade("[1]", 0),
    "metadata that are not text": handMade({ __metadata__: { a: 1 } }, 0),
    "unknown type": handMade({ x: entry("F33", [1], [0, 4]) }, 4),
    "type from the prototype": handMade({ x: entry("toString", [1], [0, 4]) }, 4),
    "negative extent": handMade({ x: entry("F32", [-1], [0, 4]) }, 4),
    "no shape": handMade({ x: entry("F32", 4, [0, 4]) }, 4),
    "no place": handMade({ x: entry("F32", [1], [0]) }, 4),
    "not a tensor": handMade({ x: null }, 4),
    "place of another size": handMade({ x: entry("F32", [2], [0, 4]) }, 4),
    overlap: handMade({ x: entry("U8", [4], [0, 4]), y: entry("U8", [4], [2, 6]) }, 6),
    gap: handMade({ x: entry("U8", [4], [0, 4]), y: entry("U8", [4], [6, 10]) }, 10),
    "too few data": handMade({ x: entry("U8", [8], [0, 8]) }, 4),
    "data without a tensor": handMade({ x: entry("U8", [4], [0, 4]) }, 8),
  };
  for (const [what, path] of Object.entries(broken)) {
    await t.rejects(readTensors(path), { code: "E_FILE_FORMAT" }, what);
  }
});

t.test("a missing file and a folder each give one error", async (t) => {
  await t.rejects(readHeader(join(folder, "none")), { code: "E_SOURCE_MISSING" });
  await t.rejects(readHeader(join(folder, "long.safetensors", "x")), { code: "E_FILE_UNREADABLE" });
});

t.test("headers encode without a file", (t) => {
  const bytes = encodeHeader([["x", { dtype: "I64", shape: [2, 3] }]]);
  const header = decodeHeader(bytes.subarray(8), bytes.length + 48, "memory");
  t.strictSame(header.tensors.get("x"), { dtype: "I64", shape: [2, 3], begin: 0, end: 48 });
  t.equal(byteLength("BF16", [2, 3]), 12);
  t.end();
});
