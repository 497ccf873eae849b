/**
 * HDF5 as the left-atrium set uses it: one data set [i,j,k] that is the volume. The format has neither orientation nor
 * spacing, so the axes are taken as nibabel takes an array with the identity matrix: i to the right, j to the front,
 * k to the head.
 */
import type { Dataset, File as Hdf5File } from "h5wasm/node";
import { MedcossError } from "../../errors.js";
import { type NumberArray, type Triple, toCanonical } from "./orientation.js";
import {
  checkLimit,
  type DecodedVolume,
  type DecodeOptions,
  decoding,
  type VolumeFormat,
} from "./types.js";

const NAME = "HDF5";
const MAGIC = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
const ORIENTATION = "RAS";

function fail(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: NAME, problem });
}

function isDataset(entity: unknown): entity is Dataset {
  return (entity as { type?: string } | null)?.type === "Dataset";
}

type Library = Awaited<typeof import("h5wasm/node")["ready"]>;

/** What `action` gives. The library tells what went wrong by its handler alone, and returns memory that it never filled. */
function checked<T>(library: Library, problem: string, action: () => T): T {
  library.activate_throwing_error_handler();
  try {
    return action();
  } catch {
    return fail(problem);
  } finally {
    library.deactivate_throwing_error_handler();
  }
}

/** Filters that HDF5 has by itself, but szip, which needs a library of its own: deflate to scale-offset. */
const FILTERS = [1, 2, 3, 5, 6];

function refuseFilters({ filters }: Dataset): void {
  const unknown = filters.find(({ id }) => !FILTERS.includes(id));
  if (!unknown) return;
  const problem = `an HDF5 data set packed with ${unknown.name || `filter ${unknown.id}`}`;
  throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem });
}

function voxelsOf(dataset: Dataset, library: Library): NumberArray {
  const value: unknown = checked(library, "its voxels are damaged", () => dataset.value);
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) {
    return Float64Array.from(value, Number);
  }
  if (ArrayBuffer.isView(value)) return value as unknown as NumberArray;
  return fail("its data set does not hold numbers");
}

/** `float32` for `<f`, as the library writes it. */
function typeName(dataset: Dataset): string {
  const { type, size, signed } = dataset.metadata;
  const name = type === 1 ? "float" : signed ? "int" : "uint";
  return `${name}${size * 8}`;
}

/** Throws where a part of the data set's path leads into another file. */
function refuseLinks(file: Hdf5File, name: string): void {
  const parts = name.split("/").filter((part) => part !== "");
  for (let count = 1; count <= parts.length; count++) {
    const path = parts.slice(0, count).join("/");
    if (file.get_external_link(path)?.filename) fail(`its ${path} is a link to another file`);
  }
}

function readVolume(file: Hdf5File, library: Library, options: DecodeOptions): DecodedVolume {
  const dataset = file.get(options.hdf5Dataset);
  if (!isDataset(dataset)) fail(`it has no data set ${options.hdf5Dataset}`);
  refuseLinks(file, options.hdf5Dataset);
  refuseFilters(dataset);
  const { type, size } = dataset.metadata;
  if (type === 1 && size < 4) {
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem: "voxels of float16" });
  }
  const extent = (dataset.shape ?? []).filter((n, axis, all) => n !== 1 || axis >= all.length - 3);
  if (type !== 0 && type !== 1) fail("its data set does not hold numbers");
  if (extent.length !== 3 || extent.some((n) => n < 1)) {
    const problem = `a data set of the shape [${dataset.shape?.join(", ")}]`;
    throw new MedcossError("E_FILE_UNSUPPORTED", { kind: "volumes", problem });
  }
  const [i, j, k] = extent as Triple;
  checkLimit(i * j * k, options.limits.voxels, "voxels");
  const canonical = toCanonical({
    voxels: voxelsOf(dataset, library),
    extent: [i, j, k],
    stride: [j * k, k, 1],
    orientation: ORIENTATION,
    slope: 1,
    intercept: 0,
  });
  const storedShape: Triple = [k, j, i];
  return { kind: "volume3d", ...canonical, storedShape, dtype: typeName(dataset) };
}

async function decode(path: string, options: DecodeOptions): Promise<DecodedVolume> {
  const { File, ready } = await import("h5wasm/node");
  const library = await ready;
  const file = checked(library, "it is damaged or ends early", () => new File(path, "r"));
  try {
    return readVolume(file, library, options);
  } finally {
    file.close();
  }
}

export const hdf5: VolumeFormat = {
  name: NAME,
  kind: "volume3d",
  endings: [".h5", ".hdf5"],
  matches: (head) => head.subarray(0, MAGIC.length).equals(MAGIC),
  decode: (path, options) => decoding(NAME, path, () => decode(path, options)),
};
