/** This package's worker of the loader case. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageBatch, VolumeBatch } from "../../lib/batch.js";
import { models } from "../../lib/config/models.js";
import { augmentImages } from "../../lib/data/augment-images.js";
import { type BatchSource, prefetch, trainingBatches } from "../../lib/data/batches.js";
import { allocateView, recordSize } from "../../lib/data/dataset.js";
import { openStore, type Store } from "../../lib/data/store.js";
import { stageSteps } from "../../lib/stages/train-stage.js";
import { configureThreads } from "../../lib/trainer.js";
import { packageRoot } from "../../lib/version.js";
import type { LoaderConfiguration } from "../cases/loader.js";
import type { Outcome } from "../harness/variant.js";
import { type Contestant, serve, timed } from "./serve.js";

const CHECKED = 16;
const SIZE = 224;

function moments(values: Float32Array): Outcome {
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return { mean: sum / values.length, square: squares / values.length };
}

/** Mirrored and scaled into `out`. */
function mirror({ voxels, shape, scale, offset, flips }: VolumeBatch, out: Float32Array): void {
  const [count, depth, height, width] = shape;
  let to = 0;
  for (let n = 0; n < count; n++) {
    const bits = flips?.[n] ?? 0;
    const step = bits & 1 ? -1 : 1;
    for (let z = 0; z < depth; z++) {
      const plane = n * depth + (bits & 4 ? depth - 1 - z : z);
      for (let y = 0; y < height; y++) {
        const row = plane * height + (bits & 2 ? height - 1 - y : y);
        let from = row * width + (bits & 1 ? width - 1 : 0);
        for (let x = 0; x < width; x++, from += step) {
          out[to++] = (voxels[from] as number) * scale + offset;
        }
      }
    }
  }
}

async function firstRecords(store: Store, modality: string, count: number): Promise<Uint8Array[]> {
  const dataset = store.dataset(modality, "all");
  const views = Array.from({ length: count }, () => allocateView(dataset.record));
  await Promise.all(views.map((view, i) => dataset.read(i, view)));
  return views.map(({ data }) => data as Uint8Array);
}

/** Crops of the first records that every contender can name. */
function checkedBatch(records: Uint8Array[], channels: number, whole: boolean): ImageBatch {
  const pixels = new Uint8Array(records.length * SIZE * SIZE * channels);
  const crops = new Float32Array(records.length * 4);
  for (const [i, record] of records.entries()) {
    pixels.set(record, i * record.length);
    crops.set(whole ? [0, 0, SIZE, SIZE] : [i, 2 * i, 150 + i, 140 + 3 * i], i * 4);
  }
  const flips = Uint8Array.from(records, (_, i) => (whole ? 0 : i % 2));
  return { kind: "image2d", pixels, shape: [records.length, SIZE, SIZE, channels], crops, flips };
}

class FromStore implements Contestant {
  readonly #configuration: LoaderConfiguration;
  readonly #store: Store;
  readonly #source: BatchSource;
  readonly #opened: number;
  readonly #out: Float32Array;
  #next = 0;

  constructor(configuration: LoaderConfiguration, store: Store, opened: number) {
    this.#configuration = configuration;
    this.#store = store;
    this.#opened = opened;
    const { batch, workers, modality, channels, task } = configuration;
    const size =
      task === "images" ? SIZE * SIZE * channels : recordSize(store.info(modality).record);
    this.#out = new Float32Array(new SharedArrayBuffer(4 * batch * size));
    this.#source = trainingBatches(store.dataset(modality, "train"), {
      ...{ batchSize: batch, seed: 0, stage: 1, training: true, workers },
      ...{ sampling: "with-replacement", channelOrder: "rgb" },
      crop: { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] },
    });
  }

  async check(): Promise<Outcome> {
    const { modality, channels, task } = this.#configuration;
    const records = await firstRecords(this.#store, modality, CHECKED);
    if (task === "images")
      return moments(await augmentImages(checkedBatch(records, channels, false)));
    const scale = this.#store.info(modality).record.scale as number;
    const voxels = records.flatMap((record) => Array.from(record, (value) => value * scale));
    return moments(Float32Array.from(voxels));
  }

  async step(): Promise<number> {
    const from = this.#next;
    this.#next += this.#configuration.batches;
    return timed(async () => {
      for await (const { batch } of prefetch(this.#source, from, this.#next)) {
        if (batch.kind === "image2d") await augmentImages(batch, SIZE, this.#out);
        else if (!this.#configuration.asStored) mirror(batch as VolumeBatch, this.#out);
      }
    });
  }

  note(): string {
    const { train } = this.#store.info(this.#configuration.modality);
    return `a store of ${train} records for training opened in ${this.#opened.toFixed(0)} ms`;
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** By the compiled package: decoding processes started from the sources would compile them each. */
async function packing(configuration: LoaderConfiguration): Promise<Contestant> {
  const compiled = join(packageRoot(), "dist/data/pack/index.js");
  const { pack }: typeof import("../../lib/data/pack/index.js") = await import(compiled);
  const { files, cores, channels, modality, shrinkOnLoad } = configuration;
  const folder = mkdtempSync(join(tmpdir(), "medcoss-packed-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const recipe = modality as "xray" | "pathology";
  const preprocessing = shrinkOnLoad && { preprocessing: { [recipe]: { shrinkOnLoad } } };
  const shared = { sources: [{ modality, recipe, path: files }], workers: cores, ...preprocessing };
  const out = (number: number) => join(folder, String(number));
  return {
    async check() {
      await pack({ out: out(-1), ...shared });
      await using store = await openStore(out(-1));
      const records = await firstRecords(store, modality, CHECKED);
      return moments(await augmentImages(checkedBatch(records, channels, true)));
    },
    async step(number) {
      const seconds = await timed(() => pack({ out: out(number), ...shared }));
      rmSync(out(number), { recursive: true });
      return seconds;
    },
  };
}

function waiting(configuration: LoaderConfiguration, store: Store): Contestant {
  const { modality, batch, batches, cores, workers } = configuration;
  let note = "";
  const run = async () => {
    const out = mkdtempSync(join(tmpdir(), "medcoss-wait-"));
    const data = store.dataset(modality, "train");
    const options = { model: models.base(), threads: cores, reconstructions: 0, workers };
    let [waited, total] = [0, 0];
    try {
      const stage = { modality, data, out: join(out, "stage"), batchSize: batch, ...options };
      for await (const row of stageSteps(stage)) {
        if (row.step > 1) {
          waited += row.waitMs;
          total += (1000 * batch) / row.samplesPerSecond;
        }
        if (row.step === batches + 1) break;
      }
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
    const share = ((100 * waited) / total).toPrecision(2);
    note = `${modality}: ${waited.toFixed(1)} ms of ${total.toFixed(0)} waited for data, ${share} %`;
    return total / 1000;
  };
  return { check: async () => ({}), step: run, note: () => note, close: () => store.close() };
}

async function make(configuration: LoaderConfiguration): Promise<Contestant> {
  configureThreads(configuration.cores);
  if (configuration.task === "pack") return packing(configuration);
  const start = performance.now();
  const store = await openStore(configuration.store);
  store.info(configuration.modality);
  const opened = performance.now() - start;
  if (configuration.task === "wait") return waiting(configuration, store);
  return new FromStore(configuration, store, opened);
}

await serve(make);
