/**
 * A series of slices, or one file of many frames, to a volume.
 *
 * Invariant: all headers are read and compared before memory is taken for the voxels.
 */
import { MedcossError } from "../../../errors.js";
import { orientationOf, spacingOf, type Triple, toCanonical } from "../orientation.js";
import { checkLimit, type DecodedVolume, type DecodeOptions, decoding } from "../types.js";
import {
  DICOM,
  type Header,
  isAnnotated,
  patientOf,
  readHeader,
  unsupportedDicom,
} from "./dataset.js";
import { affineOf, orderSlices, type Slice, slicesOf } from "./geometry.js";
import { typeName } from "./image.js";
import { readDataset, readElements } from "./read.js";
import { readFrame } from "./samples.js";

interface Stack {
  header: Header;
  slices: Slice[];
  patient?: string;
  annotated: boolean;
}

/** Says which file of a series is to blame, without its name. */
function inFile(error: unknown, file: number, files: number): unknown {
  if (files === 1 || !(error instanceof MedcossError) || error.values.problem === undefined)
    return error;
  const problem = `${error.values.problem} (file ${file + 1} of ${files} by name)`;
  return new MedcossError(error.code, { ...error.values, problem }, { cause: error });
}

function checkSame(header: Header, first: Header): void {
  const { rows, columns, samples } = header;
  if (rows === first.rows && columns === first.columns && samples === first.samples) return;
  const problem = `slices of ${first.columns} x ${first.rows} and of ${columns} x ${rows} in one series`;
  throw new MedcossError("E_FILE_CONTENT", { problem });
}

async function readStack(paths: readonly string[], options: DecodeOptions): Promise<Stack> {
  let stack: Stack | undefined;
  for (const [file, path] of paths.entries()) {
    try {
      const dataset = await readElements(path);
      const header = readHeader(dataset);
      if (header.samples !== 1 || header.photometric.startsWith("PALETTE")) {
        unsupportedDicom("colour slices", "volumes");
      }
      const { rows, columns, frames } = header;
      const before = stack?.slices.length ?? 0;
      checkLimit(rows * columns * (frames + before), options.limits.voxels, "voxels");
      const [patient, annotated] = [patientOf(dataset), isAnnotated(dataset)];
      stack ??= { header, slices: [], patient, annotated };
      checkSame(header, stack.header);
      stack.slices.push(...slicesOf(dataset, header, file));
    } catch (error) {
      throw inFile(error, file, paths.length);
    }
  }
  return stack as Stack;
}

/** Values after rescale, slice by slice in the order of `ordered`. */
async function readVoxels(
  paths: readonly string[],
  ordered: readonly Slice[],
  { rows, columns }: Header,
): Promise<Float32Array> {
  const area = rows * columns;
  const voxels = new Float32Array(area * ordered.length);
  for (const [file, path] of paths.entries()) {
    try {
      const dataset = await readDataset(path);
      const header = readHeader(dataset);
      for (const [place, { file: own, frame, slope, intercept }] of ordered.entries()) {
        if (own !== file) continue;
        const { samples } = await readFrame(dataset, header, frame);
        const start = place * area;
        for (let i = 0; i < area; i++) {
          voxels[start + i] = (samples[i] as number) * slope + intercept;
        }
      }
    } catch (error) {
      throw inFile(error, file, paths.length);
    }
  }
  return voxels;
}

async function decode(paths: readonly string[], options: DecodeOptions): Promise<DecodedVolume> {
  const { header, slices, patient, annotated } = await readStack(paths, options);
  const ordered = orderSlices(slices);
  const affine = affineOf(ordered);
  const orientation = orientationOf(affine);
  const spacingMm = spacingOf(affine);
  const extent: Triple = [header.columns, header.rows, ordered.length];
  const canonical = toCanonical({
    voxels: await readVoxels(paths, ordered, header),
    extent,
    stride: [1, extent[0], extent[0] * extent[1]],
    spacingMm,
    orientation,
    slope: 1,
    intercept: 0,
  });
  return {
    kind: "volume3d",
    ...canonical,
    orientation,
    storedShape: [...extent].reverse() as Triple,
    storedSpacingMm: [...spacingMm].reverse() as Triple,
    dtype: typeName(header),
    patient,
    annotated,
  };
}

/** The volume of all slices in `paths`; errors carry no path and no name. */
export async function decodeSeries(
  paths: readonly string[],
  options: DecodeOptions,
): Promise<DecodedVolume> {
  return decoding(DICOM, paths[0] as string, () => decode(paths, options));
}
