/** The head of a NumPy `.npy` file (format 1.0) of little-endian float32 values in row-major order. */

const ALIGNMENT = 64;

/** The values' bytes follow it. */
export function npyHeader(shape: readonly number[]): Uint8Array {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dimensions}), }`;
  const prefix = 10;
  const length = Math.ceil((prefix + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(length, " ");
  header.write("\x93NUMPY\x01\x00", 0, "latin1");
  header.writeUInt16LE(length - prefix, 8);
  header.write(text, prefix, "latin1");
  header.write("\n", length - 1);
  return header;
}
