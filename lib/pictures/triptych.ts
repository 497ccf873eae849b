/**
 * Cells of the triptychs: what the network saw, what it made of it, and the truth.
 *
 * Invariant: the middle picture shows the original where a patch was visible and the prediction where it was masked.
 * The objective predicts each patch relative to its own mean and spread, so these two numbers come from the original.
 */
import type { NativeReconstruction } from "../native/types.js";
import type { Cell } from "./mosaic.js";
import { ctWindow, greyLevel, percentileWindow, type Window } from "./windows.js";

export type ChannelOrder = "rgb" | "bgr";

/** Grey of masked patches in the first column. */
const MASKED = 112;

export const tripleLabels = ["masked", "reconstructed", "original"] as const;

/** Cells of a row, in the order of `tripleLabels`; `level` gives byte `i` of a picture's RGB pixels. */
function triple(
  width: number,
  height: number,
  index: (i: number) => number,
  from: {
    original: (at: number) => number;
    prediction: (at: number) => number;
    mask: Uint8Array;
  },
): Cell[] {
  const cells = tripleLabels.map(() => ({
    width,
    height,
    rgb: new Uint8Array(width * height * 3),
  }));
  const [masked, reconstructed, original] = cells as [Cell, Cell, Cell];
  for (let i = 0; i < width * height * 3; i++) {
    const at = index(i);
    const hidden = from.mask[at] === 1;
    const truth = from.original(at);
    masked.rgb[i] = hidden ? MASKED : truth;
    reconstructed.rgb[i] = hidden ? from.prediction(at) : truth;
    original.rgb[i] = truth;
  }
  return cells;
}

/** One row of cells for each of the first `samples` images of a reconstruction [B,H,W,C] with values in [0, 1]. */
export function imageRows(
  result: NativeReconstruction,
  samples: number,
  channelOrder: ChannelOrder,
): Cell[][] {
  const [batch = 0, height = 0, width = 0, channels = 3] = result.shape;
  const unit: Window = [0, 1];
  return Array.from({ length: Math.min(samples, batch) }, (_, sample) => {
    const start = sample * height * width * channels;
    const channel = (i: number) => {
      if (channels === 1) return 0;
      return channelOrder === "bgr" ? 2 - (i % 3) : i % 3;
    };
    return triple(width, height, (i) => start + Math.floor(i / 3) * channels + channel(i), {
      original: (at) => greyLevel(result.original[at] as number, unit),
      prediction: (at) => greyLevel(result.prediction[at] as number, unit),
      mask: result.mask,
    });
  });
}

/** Slices at even distances, without the ends. */
export function shownSlices(depth: number, count: number): number[] {
  const shown = Math.min(depth, count);
  return Array.from({ length: shown }, (_, i) => Math.floor(((i + 0.5) * depth) / shown));
}

function windowOf(values: Float32Array, modality: string): Window {
  return modality === "ct" ? ctWindow : percentileWindow(values, 1, 99);
}

/** The labels of the rows that `volumeRows` gives. */
export function volumeLabels(
  { shape: [batch = 0, depth = 0] }: NativeReconstruction,
  samples: number,
  slices: number,
): string[] {
  return Array.from({ length: Math.min(samples, batch) }, (_, sample) =>
    shownSlices(depth, slices).map((slice) => `${sample + 1}, slice ${slice + 1}`),
  ).flat();
}

/** Rows of cells for the first `samples` volumes of a reconstruction [B,D,H,W], one row for each shown slice. */
export function volumeRows(
  result: NativeReconstruction,
  samples: number,
  slices: number,
  modality: string,
): Cell[][] {
  const [batch = 0, depth = 0, height = 0, width = 0] = result.shape;
  const plane = height * width;
  return Array.from({ length: Math.min(samples, batch) }, (_, sample) => {
    const start = sample * depth * plane;
    const window = windowOf(result.original.subarray(start, start + depth * plane), modality);
    return shownSlices(depth, slices).map((slice) =>
      triple(width, height, (i) => start + slice * plane + Math.floor(i / 3), {
        original: (at) => greyLevel(result.original[at] as number, window),
        prediction: (at) => greyLevel(result.prediction[at] as number, window),
        mask: result.mask,
      }),
    );
  }).flat();
}
