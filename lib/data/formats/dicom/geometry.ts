/**
 * Where slices lie: their order along the normal, the distance between them, and the volume's matrix.
 */
import type { DataSet } from "dicom-parser";
import { MedcossError } from "../../../errors.js";
import type { Affine, Triple } from "../orientation.js";
import { decimals, firstItem, type Header, unsupportedDicom } from "./dataset.js";

/** One frame of one file. */
export interface Slice {
  /** Number of the file, and the frame in it. */
  file: number;
  frame: number;
  /** Centre of the first voxel in mm: to the left, to the back, to the head. */
  position: Triple;
  /** Directions in which columns and rows run. */
  orientation: number[];
  /** Distance between rows and between columns. */
  spacing: [number, number];
  thickness?: number;
  slope: number;
  intercept: number;
}

/** Share of the usual distance by which two neighbours may differ from it; a missing slice differs by 1. */
const TOLERANCE = 0.25;
/** Millimetres within which two slices are at one place. */
const SAME_PLACE = 1e-3;
const SAME_DIRECTION = 1e-3;

function refuse(problem: string): never {
  throw new MedcossError("E_FILE_CONTENT", { problem });
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** A frame's functional group: its own, else the one that all frames share. */
function groupOf(dataset: DataSet, frame: number) {
  const own = dataset.elements.x52009230?.items?.[frame]?.dataSet;
  const shared = firstItem(dataset, "x52009229");
  return (tag: string) => firstItem(own, tag) ?? firstItem(shared, tag) ?? dataset;
}

function sliceOf(dataset: DataSet, file: number, frame: number): Slice {
  const group = groupOf(dataset, frame);
  const measures = group("x00289110");
  const values = group("x00289145");
  const position = decimals(group("x00209113"), "x00200032", 3);
  const orientation = decimals(group("x00209116"), "x00200037", 6);
  const spacing = decimals(measures, "x00280030", 2);
  if (!position || !orientation) unsupportedDicom("slices without a position", "volumes");
  if (!spacing?.every((edge) => edge > 0)) unsupportedDicom("slices without spacing", "volumes");
  return {
    ...{ file, frame, position: position as Triple, orientation },
    spacing: spacing as [number, number],
    thickness: decimals(measures, "x00180050", 1)?.[0],
    slope: decimals(values, "x00281053", 1)?.[0] || 1,
    intercept: decimals(values, "x00281052", 1)?.[0] ?? 0,
  };
}

/** Every frame of a file; throws E_FILE_UNSUPPORTED where one has no place. */
export function slicesOf(dataset: DataSet, header: Header, file: number): Slice[] {
  return Array.from({ length: header.frames }, (_, frame) => sliceOf(dataset, file, frame));
}

function normalOf([a, b, c, d, e, f]: number[]): Triple {
  const [x, y, z] = [a, b, c] as Triple;
  const [u, v, w] = [d, e, f] as Triple;
  return [y * w - z * v, z * u - x * w, x * v - y * u];
}

function checkAlike(slices: readonly Slice[]): void {
  const first = slices[0] as Slice;
  for (const { orientation, spacing } of slices) {
    if (orientation.some((n, i) => Math.abs(n - (first.orientation[i] as number)) > SAME_DIRECTION))
      refuse("slices of several directions in one series");
    if (spacing.some((n, i) => Math.abs(n / (first.spacing[i] as number) - 1) > SAME_DIRECTION))
      refuse("slices of several spacings in one series");
  }
}

function checkGaps(heights: readonly number[]): void {
  const gaps = heights.slice(1).map((height, i) => height - (heights[i] as number));
  const same = gaps.filter((gap) => gap < SAME_PLACE).length;
  if (same > 0) refuse(`${same} slices where another one is: several volumes in one series`);
  const usual = [...gaps].sort((a, b) => a - b)[(gaps.length - 1) >> 1] as number;
  const odd = gaps.find((gap) => Math.abs(gap / usual - 1) > TOLERANCE);
  if (odd === undefined) return;
  const missing = Math.round(odd / usual) - 1;
  const what = missing > 0 ? "a slice is missing" : "uneven slices";
  refuse(`${what}: ${odd.toFixed(2)} mm between two slices, ${usual.toFixed(2)} mm elsewhere`);
}

/** Slices in order along the normal; throws E_FILE_CONTENT where they are not one even stack. */
export function orderSlices(slices: readonly Slice[]): Slice[] {
  checkAlike(slices);
  const normal = normalOf((slices[0] as Slice).orientation);
  if (!(Math.hypot(...normal) > 0.9)) refuse("slices whose rows and columns are parallel");
  const ordered = slices
    .map((slice) => ({ slice, height: dot(slice.position, normal) }))
    .sort((a, b) => a.height - b.height);
  if (ordered.length > 1) checkGaps(ordered.map(({ height }) => height));
  return ordered.map(({ slice }) => slice);
}

/** The matrix of an ordered stack from (column, row, slice) to millimetres; to the right, to the front, to the head. */
export function affineOf(ordered: readonly Slice[]): Affine {
  const [first, last] = [ordered[0] as Slice, ordered.at(-1) as Slice];
  const { orientation, spacing, position, thickness = 1 } = first;
  const normal = normalOf(orientation);
  const steps = Math.max(1, ordered.length - 1);
  return [0, 1, 2].map((row) => {
    const sign = row < 2 ? -1 : 1;
    const along =
      ordered.length > 1
        ? ((last.position[row] as number) - (position[row] as number)) / steps
        : (normal[row] as number) * thickness;
    const i = (orientation[row] as number) * spacing[1];
    const j = (orientation[3 + row] as number) * spacing[0];
    return [sign * i, sign * j, sign * along, sign * (position[row] as number)];
  });
}
