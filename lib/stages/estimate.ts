/**
 * How much memory and disk a run takes, from the network's dimensions.
 *
 * Invariant: `parameterCount` is exact (199,205,635 for `base`); memory errs on the high side.
 */
import type { InputKind } from "../batch.js";
import type { NativeModelSize } from "../native/types.js";

const PATCH = 16;
const CHANNELS = 3;
/** Rows of position tables whose size does not follow the inputs. */
const TEXT_POSITIONS = 512;
const VISUAL_POSITIONS = 1600 + 1 + 1024 + 8 + 4096 + 8;

const square = (value: number) => value * value;

/** Patches of an image and of a volume. */
function patches(size: NativeModelSize): { image: number; volume: number } {
  return {
    image: square(size.imageSize / PATCH),
    volume: size.volumeSize.reduce((count, edge) => count * (edge / PATCH), 1),
  };
}

/** Values of all tensors of the network. */
export function parameterCount(size: NativeModelSize): number {
  const { encoderWidth: w, decoderWidth: d, vocabulary: v } = size;
  const { image, volume } = patches(size);
  const flat = CHANNELS * square(PATCH);
  const cube = PATCH ** 3;
  const encoder = size.encoderLayers * (12 * w * w + 15 * w);
  const text = (v + TEXT_POSITIONS + 4) * w;
  const visual = (VISUAL_POSITIONS + flat + cube + 4) * w;
  const decoder = size.decoderLayers * (12 * d * d + 13 * d) + (image + volume + 2) * d;
  const heads = w * d + 3 * d + 2 * w + (d + 1) * (flat + cube);
  const language = v + w * w + 3 * w + v * w;
  return w + d + encoder + text + visual + decoder + heads + language;
}

/** Values kept for the backward pass by one transformer layer for one token, in widths. */
const KEPT_PER_LAYER = 18;
/** The same where layers are computed once more: what enters a layer, and the branch that has yet to join it. */
const ENTERED_PER_LAYER = 2;
/** Logits, their softmax and their gradient. */
const LOGIT_COPIES = 3;

/** Bytes of activations for one sample in training. */
function activationBytes(
  size: NativeModelSize,
  kind: InputKind,
  options: { maskRatio: number; words: number; bf16: boolean; recompute: boolean },
): number {
  const valueBytes = options.bf16 ? 3 : 4;
  const widths = (layers: number) =>
    options.recompute ? layers * ENTERED_PER_LAYER + KEPT_PER_LAYER : layers * KEPT_PER_LAYER;
  const encoder = (tokens: number) => tokens * size.encoderWidth * widths(size.encoderLayers);
  if (kind === "text") {
    const predicted = Math.ceil(size.textLength * options.words) * size.vocabulary * LOGIT_COPIES;
    return (encoder(size.textLength) + predicted) * valueBytes;
  }
  const count = kind === "image2d" ? patches(size).image : patches(size).volume;
  const values = kind === "image2d" ? CHANNELS * square(PATCH) : PATCH ** 3;
  const visible = Math.floor(count * (1 - options.maskRatio)) + 1;
  const decoder = (count + 1) * (size.decoderWidth * widths(size.decoderLayers) + 4 * values);
  return (encoder(visible) + decoder) * valueBytes;
}

/** Node, LibTorch and batches in flight. */
const PROCESS_BYTES = 500 * 2 ** 20;
/** Weight, gradient and two moments, four bytes each. */
const TRAINING_BYTES_PER_VALUE = 16;
const MODEL_BYTES_PER_VALUE = 4;
const CHECKPOINT_BYTES_PER_VALUE = 12;

/** Bytes of memory that training a stage of that kind takes with `together` samples at a time; a teacher keeps weights alone. */
export function memoryBytes(
  size: NativeModelSize,
  kind: InputKind,
  options: {
    together: number;
    maskRatio: number;
    words: number;
    bf16: boolean;
    recompute: boolean;
    teacher?: boolean;
  },
): number {
  const activations = activationBytes(size, kind, options) * options.together;
  const each = TRAINING_BYTES_PER_VALUE + (options.teacher ? MODEL_BYTES_PER_VALUE : 0);
  return PROCESS_BYTES + parameterCount(size) * each + activations;
}

/** Bytes on disk of a run: two checkpoints a stage, one being written, and the final model. */
export function diskBytes(size: NativeModelSize, stages: number): number {
  const checkpoints = (2 * stages + 1) * CHECKPOINT_BYTES_PER_VALUE;
  return parameterCount(size) * (checkpoints + MODEL_BYTES_PER_VALUE);
}
