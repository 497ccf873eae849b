/** Writes NIfTI-1 and NIfTI-2 files of any numeric type, for tests. */
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const codes = {
  uint8: [2, 1],
  int16: [4, 2],
  int32: [8, 4],
  float32: [16, 4],
  float64: [64, 8],
  int8: [256, 1],
  uint16: [512, 2],
  uint32: [768, 4],
  int64: [1024, 8],
  uint64: [1280, 8],
  complex64: [32, 8],
} as const;
export type NiftiType = keyof typeof codes;

export interface NiftiOptions {
  /** i, j, k, and more axes. */
  dims: number[];
  spacing?: [number, number, number];
  type?: NiftiType;
  value?: (i: number, j: number, k: number) => number;
  bigEndian?: boolean;
  version?: 1 | 2;
  slope?: number;
  intercept?: number;
  /** Three rows of four numbers. */
  sform?: number[][];
  /** b, c, d and qfac. */
  qform?: [number, number, number, number];
  units?: number;
}

type Setter = (view: DataView, at: number, value: number, little: boolean) => void;

const setters: Record<NiftiType, Setter> = {
  uint8: (view, at, value) => view.setUint8(at, value),
  int8: (view, at, value) => view.setInt8(at, value),
  int16: (view, at, value, little) => view.setInt16(at, value, little),
  uint16: (view, at, value, little) => view.setUint16(at, value, little),
  int32: (view, at, value, little) => view.setInt32(at, value, little),
  uint32: (view, at, value, little) => view.setUint32(at, value, little),
  float32: (view, at, value, little) => view.setFloat32(at, value, little),
  complex64: (view, at, value, little) => view.setFloat32(at, value, little),
  float64: (view, at, value, little) => view.setFloat64(at, value, little),
  int64: (view, at, value, little) => view.setBigInt64(at, BigInt(value), little),
  uint64: (view, at, value, little) => view.setBigUint64(at, BigInt(value), little),
};

function header1(view: DataView, options: NiftiOptions, little: boolean, offset: number): void {
  const { dims, spacing = [1, 1, 1], type = "int16", qform } = options;
  const [code, bytes] = codes[type];
  view.setInt32(0, 348, little);
  [dims.length, ...dims].forEach((n, i) => {
    view.setInt16(40 + 2 * i, n, little);
  });
  view.setInt16(70, code, little);
  view.setInt16(72, bytes * 8, little);
  [qform?.[3] ?? 1, ...spacing].forEach((n, i) => {
    view.setFloat32(76 + 4 * i, n, little);
  });
  view.setFloat32(108, offset, little);
  view.setFloat32(112, options.slope ?? 1, little);
  view.setFloat32(116, options.intercept ?? 0, little);
  view.setUint8(123, options.units ?? 2);
  view.setInt16(252, qform ? 1 : 0, little);
  view.setInt16(254, options.sform ? 1 : 0, little);
  qform?.slice(0, 3).forEach((n, i) => {
    view.setFloat32(256 + 4 * i, n, little);
  });
  options.sform?.flat().forEach((n, i) => {
    view.setFloat32(280 + 4 * i, n, little);
  });
  Buffer.from("n+1\0").forEach((byte, i) => {
    view.setUint8(344 + i, byte);
  });
}

function header2(view: DataView, options: NiftiOptions, little: boolean, offset: number): void {
  const { dims, spacing = [1, 1, 1], type = "int16" } = options;
  const [code, bytes] = codes[type];
  view.setInt32(0, 540, little);
  Buffer.from("n+2\0\r\n\x1a\n", "latin1").forEach((byte, i) => {
    view.setUint8(4 + i, byte);
  });
  view.setInt16(12, code, little);
  view.setInt16(14, bytes * 8, little);
  [dims.length, ...dims].forEach((n, i) => {
    view.setBigInt64(16 + 8 * i, BigInt(n), little);
  });
  [1, ...spacing].forEach((n, i) => {
    view.setFloat64(104 + 8 * i, n, little);
  });
  view.setBigInt64(168, BigInt(offset), little);
  view.setFloat64(176, options.slope ?? 1, little);
  view.setFloat64(184, options.intercept ?? 0, little);
  view.setInt32(348, options.sform ? 1 : 0, little);
  options.sform?.flat().forEach((n, i) => {
    view.setFloat64(400 + 8 * i, n, little);
  });
  view.setInt32(500, options.units ?? 2, little);
}

/** The bytes of a .nii file. */
export function niftiBytes(options: NiftiOptions): Buffer {
  const { dims, type = "int16", value = (i, j, k) => i + 10 * j + 100 * k } = options;
  const [, bytes] = codes[type];
  const little = options.bigEndian !== true;
  const offset = options.version === 2 ? 544 : 352;
  const [x = 1, y = 1, z = 1, ...more] = dims;
  const count = x * y * z * more.reduce((a, b) => a * b, 1);
  const file = Buffer.alloc(offset + count * bytes);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  (options.version === 2 ? header2 : header1)(view, options, little, offset);
  for (let n = 0; n < count; n++) {
    const [i, j, k] = [n % x, Math.floor(n / x) % y, Math.floor(n / (x * y)) % z];
    setters[type](view, offset + n * bytes, value(i, j, k), little);
  }
  return file;
}

/** Writes `.nii`, or `.nii.gz` where the path ends so. */
export function writeNifti(path: string, options: NiftiOptions): string {
  const bytes = niftiBytes(options);
  writeFileSync(path, path.endsWith(".gz") ? gzipSync(bytes) : bytes);
  return path;
}
