/** Small networks and batches for tests; everything follows from fixed draws. */
import type { Batch, ImageBatch, TextBatch, VolumeBatch } from "../../lib/batch.js";
import { nativeBehaviour, presets } from "../../lib/config/presets.js";
import type { NativeModelSize, NativeTrainerOptions } from "../../lib/native/types.js";
import { Draws, Purpose } from "../../lib/random.js";

/** The smallest network that has every part. */
export function microSize(): NativeModelSize {
  return {
    encoderWidth: 16,
    encoderLayers: 2,
    encoderHeads: 2,
    decoderWidth: 16,
    decoderLayers: 1,
    decoderHeads: 2,
    vocabulary: 50,
    imageSize: 64,
    volumeSize: [16, 64, 64],
    textLength: 12,
  };
}

export function microOptions(changes: Partial<NativeTrainerOptions> = {}): NativeTrainerOptions {
  return {
    size: microSize(),
    behaviour: nativeBehaviour(presets.corrected()),
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.05 },
    device: "cpu",
    precision: "fp32",
    seed: 7,
    stage: 0,
    start: { kind: "random" },
    ...changes,
  };
}

const draws = new Draws(11, 0, 0, Purpose.sampleOrder);

/** Sequences of falling length; every third token is to be predicted. */
export function textBatch(samples = 2, length = 12, vocabulary = 50): TextBatch {
  const ids = new Int32Array(samples * length);
  const labels = new Int32Array(samples * length).fill(-100);
  const lengths = Int32Array.from({ length: samples }, (_, i) => Math.max(3, length - 2 * i));
  for (let i = 0; i < samples; i++) {
    for (let j = 0; j < (lengths[i] as number); j++) {
      ids[i * length + j] = 5 + draws.below(vocabulary - 5, i, j);
      if (j % 3 === 1) labels[i * length + j] = ids[i * length + j] as number;
    }
  }
  return { kind: "text", ids, lengths, labels };
}

/** Smooth stripes with a little texture, as bytes. */
export function imageBatch(samples = 2, edge = 64, channels = 3): ImageBatch {
  const pixels = Uint8Array.from({ length: samples * edge * edge * channels }, (_, i) => {
    const x = Math.floor(i / channels) % edge;
    const y = Math.floor(i / (channels * edge)) % edge;
    return 128 + 90 * Math.sin(x / 9 + y / 14) + (draws.word(i) & 15);
  });
  return { kind: "image2d", pixels, shape: [samples, edge, edge, channels] };
}

/** Whole numbers, to be divided by 1,024. */
export function volumeBatch(samples = 2, [depth, height, width] = [16, 64, 64]): VolumeBatch {
  const [d, h, w] = [depth ?? 1, height ?? 1, width ?? 1];
  const voxels = Int16Array.from({ length: samples * d * h * w }, (_, i) => {
    const x = i % w;
    const y = Math.floor(i / w) % h;
    return 600 * Math.cos(x / 8) * Math.sin(y / 11) + (draws.word(i) & 63);
  });
  return { kind: "volume3d", voxels, shape: [samples, d, h, w], scale: 1 / 1024, offset: 0 };
}

/** One batch of each kind. */
export function microBatches(): Batch[] {
  return [textBatch(), imageBatch(), volumeBatch()];
}

export const key = (step: number, stage = 0) => ({ stage, step });
export const plain = { learningRate: 1e-3, objective: "plain" as const };
