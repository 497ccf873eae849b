/**
 * Batches from a dataset, each a pure function of (seed, stage, step): neither the order of access nor what ran before
 * changes one.
 */
import type { Batch, ImageBatch, TextBatch, VolumeBatch } from "../batch.js";
import { MedcossError } from "../errors.js";
import { Draws, Purpose } from "../random.js";
import { imageFlip, randomCrop, volumeFlips } from "./augment.js";
import type { BatchOptions, BatchSource } from "./batch-source.js";
import { allocate, type Dataset, type RecordArray, recordBytes, recordSize } from "./dataset.js";
import { originOf, recycle } from "./loader/loader.js";
import { planOf } from "./loader/plan.js";
import type { Plan } from "./loader/protocol.js";
import { sampler } from "./sampler.js";
import { IGNORE, maskWords } from "./word-mask.js";

export type { BatchOptions, BatchSource, CropOptions, WordMaskOptions } from "./batch-source.js";

/** Keys the draws of validation, so that they are the same in every stage and meet those of none. */
export const VALIDATION_STAGE = 0xffff;

interface Records {
  data: RecordArray;
  lengths: Int32Array;
}

async function readRecords(
  dataset: Dataset,
  indices: Uint32Array,
  memory: ArrayBufferLike | undefined,
): Promise<Records> {
  const size = recordSize(dataset.record);
  const data = allocate(dataset.record.dtype, size * indices.length, memory);
  const lengths = new Int32Array(indices.length);
  const reads = Array.from(indices, async (index, i) => {
    const view = { data: data.subarray(i * size, (i + 1) * size), length: 0 };
    await dataset.read(index, view);
    lengths[i] = view.length;
  });
  await Promise.all(reads);
  return { data, lengths };
}

/** A batch's draws for one purpose. */
type Stream = (purpose: Purpose) => Draws;

function textBatch(records: Records, options: BatchOptions, stream: Stream): TextBatch {
  const ids = records.data as Int32Array;
  const { lengths } = records;
  if (!options.wordMask) return { kind: "text", ids, lengths };
  const length = ids.length / lengths.length;
  const labels = new Int32Array(ids.length).fill(IGNORE);
  const draws = stream(Purpose.wordMask);
  const replacements = stream(Purpose.wordReplacement);
  for (let i = 0; i < lengths.length; i++) {
    const at = [i * length, (i + 1) * length] as const;
    const real = lengths[i] as number;
    maskWords(ids.subarray(...at), real, labels.subarray(...at), options.wordMask, {
      index: i,
      draws,
      replacements,
    });
  }
  return { kind: "text", ids, lengths, labels };
}

function swapRedAndBlue(pixels: Uint8Array | Float32Array): void {
  for (let i = 0; i < pixels.length; i += 3) {
    const red = pixels[i] as number;
    pixels[i] = pixels[i + 2] as number;
    pixels[i + 2] = red;
  }
}

function imageBatch(
  { data, lengths }: Records,
  dataset: Dataset,
  options: BatchOptions,
  stream: Stream,
): ImageBatch {
  const [height, width, channels] = dataset.record.shape as [number, number, number];
  const count = lengths.length;
  const pixels = data as Uint8Array | Float32Array;
  if (channels === 3 && options.channelOrder === "bgr") swapRedAndBlue(pixels);
  // Only bytes are cut and resized; float pixels come in the network's size.
  const crops = pixels instanceof Uint8Array ? new Float32Array(count * 4) : undefined;
  const flips = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const crop =
      options.training && options.crop
        ? randomCrop(height, width, options.crop, stream(Purpose.crop), i)
        : [0, 0, height, width];
    crops?.set(crop, i * 4);
    if (options.training) flips[i] = imageFlip(stream(Purpose.flip), i);
  }
  return { kind: "image2d", pixels, shape: [count, height, width, channels], crops, flips };
}

function volumeBatch(
  { data, lengths }: Records,
  dataset: Dataset,
  options: BatchOptions,
  stream: Stream,
): VolumeBatch {
  const { shape, scale = 1, offset = 0 } = dataset.record;
  const [depth, height, width] = shape as [number, number, number];
  const count = lengths.length;
  const flips = new Uint8Array(count);
  if (options.training) {
    const draws = stream(Purpose.flip);
    for (let i = 0; i < count; i++) flips[i] = volumeFlips(draws, i);
  }
  const voxels = data as Int16Array | Float32Array;
  return {
    kind: "volume3d",
    voxels,
    shape: [count, depth, height, width],
    scale,
    offset,
    flips,
  };
}

function checkRecord(dataset: Dataset): void {
  const { dtype, shape } = dataset.record;
  const expected = {
    text: { rank: 1, dtypes: ["i32"] },
    image2d: { rank: 3, dtypes: ["u8", "f32"] },
    volume3d: { rank: 3, dtypes: ["i16", "f32"] },
  }[dataset.kind];
  if (shape.length === expected.rank && expected.dtypes.includes(dtype)) return;
  throw new MedcossError("E_ARGUMENT", {
    expected: `${expected.dtypes.join(" or ")} records with ${expected.rank} axes`,
    argument: `a ${dataset.kind} dataset`,
    received: `${dtype} [${shape.join(", ")}]`,
  });
}

async function assemble(
  dataset: Dataset,
  indices: Uint32Array,
  options: BatchOptions,
  key: { stage: number; step: number },
  memory: ArrayBufferLike | undefined,
): Promise<Batch> {
  const stream: Stream = (purpose) => new Draws(options.seed, key.stage, key.step, purpose);
  const records = await readRecords(dataset, indices, memory);
  switch (dataset.kind) {
    case "text":
      return textBatch(records, options, stream);
    case "image2d":
      return imageBatch(records, dataset, options, stream);
    case "volume3d":
      return volumeBatch(records, dataset, options, stream);
  }
}

/** A source that makes its batches in this thread. */
export interface MemorySource extends BatchSource {
  /** `memory` takes the records; by default new memory. */
  batch(step: number, ordinal?: number, memory?: ArrayBufferLike): Promise<Batch>;
}

/** The source itself, or where threads are wanted and the data set is a store's, one whose batches they make. */
function withWorkers(
  use: Plan["use"],
  dataset: Dataset,
  options: BatchOptions,
  source: MemorySource,
): MemorySource {
  const { workers = 0, batchSize } = options;
  const origin = workers > 0 ? originOf(dataset) : undefined;
  if (!origin) return source;
  const { loader, records } = origin;
  loader.prepare(workers);
  const plan = planOf(use, records, options);
  const place = { workers, bytes: batchSize * recordBytes(dataset.record) };
  const batch = (step: number, ordinal = step) => loader.batch(plan, { step, ordinal }, place);
  return { ...source, batch, ahead: workers + 1 };
}

/**
 * Batches for training. Step s belongs to epoch floor(s / batchesPerEpoch); each epoch has a fresh permutation, and what
 * does not fill a batch is dropped. Throws E_ARGUMENT where the dataset does not hold one batch.
 */
export function trainingBatches(dataset: Dataset, options: BatchOptions): MemorySource {
  checkRecord(dataset);
  const { batchSize, stage } = options;
  const least = options.sampling === "permutation" ? batchSize : 1;
  if (dataset.length < least) {
    const expected = `at least ${least} records`;
    throw new MedcossError("E_ARGUMENT", {
      expected,
      argument: "the dataset",
      received: dataset.length,
    });
  }
  const indices = sampler({ ...options, length: dataset.length });
  return withWorkers("training", dataset, options, {
    kind: dataset.kind,
    batchesPerEpoch: Math.floor(dataset.length / batchSize),
    indices,
    batch: (step, ordinal, memory) =>
      assemble(dataset, indices(step, ordinal), options, { stage, step }, memory),
    ahead: 1,
  });
}

/**
 * Batches for validation: every record in order, the last batch as small as it must be, nothing augmented; the words to
 * predict depend on seed and batch only.
 */
export function validationBatches(dataset: Dataset, options: BatchOptions): MemorySource {
  checkRecord(dataset);
  const { batchSize } = options;
  const plain = { ...options, training: false };
  const indices = (step: number) => {
    const first = step * batchSize;
    const count = Math.max(0, Math.min(batchSize, dataset.length - first));
    return Uint32Array.from({ length: count }, (_, i) => first + i);
  };
  const stage = VALIDATION_STAGE;
  return withWorkers("validation", dataset, options, {
    kind: dataset.kind,
    batchesPerEpoch: Math.ceil(dataset.length / batchSize),
    indices,
    batch: (step, _ordinal, memory) =>
      assemble(dataset, indices(step), plain, { stage, step }, memory),
    ahead: 1,
  });
}

/**
 * The batches of steps `from` to `to - 1`, with `ahead` of them begun while one is in use (by default 1). A batch counts
 * until the next one is asked for; then its memory may serve another.
 */
export async function* prefetch(
  source: Pick<BatchSource, "batch"> & Partial<Pick<BatchSource, "ahead">>,
  from: number,
  to: number,
): AsyncGenerator<{ step: number; batch: Batch; waitMs: number }> {
  const { ahead = 1 } = source;
  const begun: Array<Promise<Batch>> = [];
  let next = from;
  const begin = () => {
    for (; next < to && begun.length < ahead; next++) {
      const batch = source.batch(next);
      batch.catch(() => undefined);
      begun.push(batch);
    }
  };
  try {
    for (let step = from; step < to; step++) {
      begin();
      const started = performance.now();
      const batch = (await begun.shift()) as Batch;
      const waitMs = performance.now() - started;
      begin();
      yield { step, batch, waitMs };
      recycle(batch);
    }
  } finally {
    for (const batch of begun) batch.then(recycle, () => undefined);
  }
}
