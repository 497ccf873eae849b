/** Writes DICOM files element by element, for tests. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { deflateRawSync } from "node:zlib";

export type Syntax = "explicit" | "implicit" | "big" | "deflated";

const uids: Record<Syntax, string> = {
  explicit: "1.2.840.10008.1.2.1",
  implicit: "1.2.840.10008.1.2",
  big: "1.2.840.10008.1.2.2",
  deflated: "1.2.840.10008.1.2.1.99",
};

export type Value = string | number | number[] | Uint8Array | Elements[];
/** By group and element in hexadecimal with the type behind: `00100020LO`. */
export interface Elements {
  [tag: string]: Value;
}

const LONG = ["OB", "OW", "SQ", "UN", "UT"];

function bytesOf(value: Value, vr: string, syntax: Syntax): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  const big = syntax === "big";
  if (vr === "SQ") {
    const items = (value as Elements[]).map((item) => {
      const body = Buffer.concat(write(item, syntax));
      return Buffer.concat([header("FFFEE000", "", body.length, "implicit", big), body]);
    });
    return Buffer.concat(items);
  }
  if (vr === "US" || vr === "SS" || vr === "UL") {
    const numbers = [value].flat() as number[];
    const wide = vr === "UL" ? 4 : 2;
    const out = Buffer.alloc(numbers.length * wide);
    const view = new DataView(out.buffer, out.byteOffset, out.length);
    numbers.forEach((n, i) => {
      if (wide === 4) view.setUint32(4 * i, n, !big);
      else view.setUint16(2 * i, n & 0xffff, !big);
    });
    return out;
  }
  const text = Array.isArray(value) ? value.join("\\") : String(value);
  return Buffer.from(text.length % 2 ? `${text}${vr === "UI" ? "\0" : " "}` : text, "latin1");
}

function header(tag: string, vr: string, length: number, syntax: Syntax, big = syntax === "big") {
  const short = syntax === "implicit" || !LONG.includes(vr);
  const out = Buffer.alloc(short ? 8 : 12);
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  view.setUint16(0, Number.parseInt(tag.slice(0, 4), 16), !big);
  view.setUint16(2, Number.parseInt(tag.slice(4, 8), 16), !big);
  if (syntax === "implicit") view.setUint32(4, length, !big);
  else {
    out.write(vr, 4, "latin1");
    if (short) view.setUint16(6, length, !big);
    else view.setUint32(8, length, !big);
  }
  return out;
}

function write(elements: Elements, syntax: Syntax): Buffer[] {
  return Object.keys(elements)
    .sort()
    .flatMap((key) => {
      const [tag, vr] = [key.slice(0, 8), key.slice(8)];
      const body = bytesOf(elements[key] as Value, vr, syntax);
      return [header(tag, vr, body.length, syntax), body];
    });
}

/** The bytes of a part 10 file; `bare` leaves out the preamble and the first group. */
export function dicomBytes(elements: Elements, syntax: Syntax = "explicit", bare = false): Buffer {
  const body = Buffer.concat(write(elements, syntax === "deflated" ? "explicit" : syntax));
  if (bare) return body;
  const meta = Buffer.concat(write({ "00020010UI": uids[syntax] }, "explicit"));
  const length = Buffer.concat(write({ "00020000UL": meta.length }, "explicit"));
  const packed = syntax === "deflated" ? deflateRawSync(body) : body;
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta, packed]);
}

/** Elements of a grey image whose value at row y and column x is `value(x, y)`. */
export function imageElements(
  width: number,
  height: number,
  value: (x: number, y: number) => number,
  changes: Elements = {},
  big = false,
): Elements {
  const pixels = Buffer.alloc(2 * width * height);
  for (let i = 0; i < width * height; i++) {
    const n = value(i % width, Math.floor(i / width)) & 0xffff;
    if (big) pixels.writeUInt16BE(n, 2 * i);
    else pixels.writeUInt16LE(n, 2 * i);
  }
  return {
    "00080016UI": "1.2.840.10008.5.1.4.1.1.1",
    "00280002US": 1,
    "00280004CS": "MONOCHROME2",
    "00280010US": height,
    "00280011US": width,
    "00280100US": 16,
    "00280101US": 12,
    "00280102US": 11,
    "00280103US": 0,
    "7FE00010OW": pixels,
    ...changes,
  };
}

/** Slice `index` of an axial series, 5 mm apart, value 100 index + x + 10 y in Hounsfield units. */
export function sliceElements(index: number, changes: Elements = {}): Elements {
  return imageElements(6, 4, (x, y) => 1024 + 100 * index + x + 10 * y, {
    "00080008CS": "ORIGINAL\\PRIMARY\\AXIAL",
    "00080016UI": "1.2.840.10008.5.1.4.1.1.2",
    "00080018UI": `1.2.826.0.1.3680043.9.1.${index}`,
    "00080060CS": "CT",
    "00100010PN": "Secret^Name",
    "00100020LO": "SECRET-ID",
    "00100030DA": "19700131",
    "0020000DUI": "1.2.826.0.1.3680043.8.1",
    "0020000EUI": "1.2.826.0.1.3680043.8.2",
    "00200032DS": [-10, -20, 5 * index],
    "00200037DS": [1, 0, 0, 0, 1, 0],
    "00280030DS": [0.5, 0.25],
    "00281052DS": -1024,
    "00281053DS": 1,
    ...changes,
  });
}

export function writeDicom(path: string, elements: Elements, syntax?: Syntax, bare?: boolean) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, dicomBytes(elements, syntax, bare));
  return path;
}
