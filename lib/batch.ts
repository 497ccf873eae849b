/**
 * The batches that cross into native code. Typed arrays are row-major and are copied before a call returns, so the
 * caller may fill them again at once.
 */

export type InputKind = "text" | "image2d" | "volume3d";

/** Token sequences; everything from `lengths[i]` on is padding. */
export interface TextBatch {
  kind: "text";
  /** [B,L] token ids. */
  ids: Int32Array;
  /** [B] real tokens of each sequence, from 1 to L. */
  lengths: Int32Array;
  /** [B,L] ids to predict; -100 where there is none. */
  labels?: Int32Array;
}

/** Images. With `crops` each is cut and resized to the network's input size; otherwise it must have that size. */
export interface ImageBatch {
  kind: "image2d";
  /** [B,H,W,C]; C is 3, or 1 for grey, copied to three channels. Bytes are divided by 255. */
  pixels: Uint8Array | Float32Array;
  shape: [number, number, number, number];
  /** [B,4] top, left, height, width in pixels. */
  crops?: Float32Array;
  /** [B] bit 0: mirror left-right. */
  flips?: Uint8Array;
}

/** Volumes of the network's input size; the network sees `voxel * scale + offset`. */
export interface VolumeBatch {
  kind: "volume3d";
  /** [B,D,H,W]. */
  voxels: Int16Array | Float32Array;
  shape: [number, number, number, number];
  scale: number;
  offset: number;
  /** [B] bits 0, 1, 2: mirror x (W), y (H), z (D). */
  flips?: Uint8Array;
}

export type Batch = TextBatch | ImageBatch | VolumeBatch;

/** All randomness inside a step follows from this key and the trainer's seed. */
export interface StepKey {
  stage: number;
  step: number;
}
