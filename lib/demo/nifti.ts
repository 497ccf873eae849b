/**
 * Writing volumes as gzipped NIfTI-1 single files.
 *
 * Invariant: int16 voxels, little-endian, x fastest; the affine says that x runs to the patient's left and y to the
 * back, as scanners store them.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Scan } from "./scans.js";

const HEADER = 348;
const OFFSET = 352;
const INT16 = 4;
const MILLIMETRES = 2;
const SCANNER = 1;
const compress = promisify(gzip);

function header({ size, spacing }: Scan): Buffer {
  const bytes = Buffer.alloc(OFFSET);
  bytes.writeInt32LE(HEADER, 0);
  for (const [i, value] of [3, ...size, 1, 1, 1, 1].entries())
    bytes.writeInt16LE(value, 40 + 2 * i);
  bytes.writeInt16LE(INT16, 70);
  bytes.writeInt16LE(16, 72);
  for (const [i, value] of [1, ...spacing].entries()) bytes.writeFloatLE(value, 76 + 4 * i);
  bytes.writeFloatLE(OFFSET, 108);
  bytes.writeFloatLE(1, 112);
  bytes.writeUInt8(MILLIMETRES, 123);
  bytes.writeInt16LE(SCANNER, 254);
  const [dx, dy, dz] = spacing;
  const middle = size.map((n, i) => ((n - 1) / 2) * (spacing[i] as number));
  const affine = [-dx, 0, 0, middle[0], 0, -dy, 0, middle[1], 0, 0, dz, -(middle[2] as number)];
  for (const [i, value] of affine.entries()) bytes.writeFloatLE(value as number, 280 + 4 * i);
  bytes.write("n+1\0", 344, "latin1");
  return bytes;
}

/** The bytes of a `.nii.gz` file. */
export async function niftiFile(scan: Scan): Promise<Buffer> {
  const { buffer, byteOffset, byteLength } = scan.voxels;
  const bytes = Buffer.concat([header(scan), Buffer.from(buffer, byteOffset, byteLength)]);
  return compress(bytes, { level: 1 });
}
