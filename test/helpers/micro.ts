/**
 * The smallest network and corpora on which everything happens that happens on large ones.
 *
 * Invariant: records are a function of their number, so two stores made alike hold the same bytes.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InputKind } from "../../lib/batch.js";
import type { ModelSize } from "../../lib/config/models.js";
import { Bitmap } from "../../lib/data/bitmap.js";
import { allocateView, type Dataset, type RecordFormat } from "../../lib/data/dataset.js";
import { ShardWriter } from "../../lib/data/shard.js";
import { emptyIndex, writeIndex } from "../../lib/data/store-index.js";
import { loadTokenizer } from "../../lib/data/tokenizer.js";

export const microModel: ModelSize = {
  encoderWidth: 24,
  encoderLayers: 1,
  encoderHeads: 2,
  decoderWidth: 24,
  decoderLayers: 1,
  decoderHeads: 2,
  imageSize: 32,
  volumeSize: [16, 32, 32],
  textLength: 16,
  vocabulary: 32,
};

/** Settings under which a micro run takes well under a second. */
export const microTraining = {
  model: microModel,
  batchSize: 4,
  epochs: 2,
  threads: 1,
  reconstructions: 2,
  learningRate: { peak: 1e-3 },
};

const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "heart", "is", "large", "lung"];
const pieces = [...words, ..."abcdefgh", ..."abcdefgh".split("").map((letter) => `##${letter}`)];
const FIRST_WORD = 5;

const formats: Record<InputKind, RecordFormat> = {
  text: { dtype: "i32", shape: [16] },
  image2d: { dtype: "u8", shape: [32, 32, 1] },
  volume3d: { dtype: "i16", shape: [16, 32, 32], scale: 1 / 1024 },
};

/** Records that a network can learn: smooth waves, or sentences with a rule. */
export function microDataset(kind: InputKind, length: number): Dataset {
  return {
    kind,
    length,
    record: formats[kind],
    read(index, into) {
      const { data } = into;
      if (kind === "text") {
        into.length = 10 + (index % 6);
        for (let i = 0; i < data.length; i++) {
          data[i] = i < into.length ? FIRST_WORD + ((index + i) % 13) : 0;
        }
        data[0] = 2;
        data[into.length - 1] = 3;
        return;
      }
      const scale = kind === "image2d" ? [127, 127] : [0, 900];
      for (let i = 0; i < data.length; i++) {
        const wave = Math.sin((i % 32) / (3 + (index % 5))) * Math.cos(i / 32 / (4 + (index % 3)));
        data[i] = (scale[0] as number) + (scale[1] as number) * wave;
      }
    },
  };
}

interface Corpus {
  kind: InputKind;
  train: number;
  validation: number;
}

const corpora: Record<string, Corpus> = {
  report: { kind: "text", train: 12, validation: 3 },
  xray: { kind: "image2d", train: 13, validation: 3 },
  ct: { kind: "volume3d", train: 9, validation: 0 },
  ultrasound: { kind: "image2d", train: 8, validation: 2 },
  endoscopy: { kind: "image2d", train: 8, validation: 2 },
};

async function writeRecords(store: string, name: string, { kind, train, validation }: Corpus) {
  const folder = join(store, name);
  await mkdir(folder, { recursive: true });
  const dataset = microDataset(kind, train + validation);
  const writer = new ShardWriter(folder, 0, kind, dataset.record);
  const bits = new Bitmap(dataset.length);
  for (let i = 0; i < dataset.length; i++) {
    const view = allocateView(dataset.record);
    await dataset.read(i, view);
    const { buffer, byteOffset, byteLength } = view.data;
    const lengths = kind === "text" ? [view.length] : undefined;
    await writer.append(new Uint8Array(buffer, byteOffset, byteLength), ["{}"], lengths);
    if (i >= train) bits.set(i, true);
  }
  const shard = { ...(await writer.finish()), validation: bits.toBase64() };
  return { kind, record: dataset.record, shards: [shard] };
}

/** Writes a tokenizer of a few pieces. */
export async function microVocabulary(folder: string): Promise<string> {
  const path = join(folder, "vocab.txt");
  await writeFile(path, `${pieces.join("\n")}\n`);
  return path;
}

/** Corpora that a store has where none are named. */
const usual = ["report", "xray", "ct"];

/** Writes a store with the named corpora and returns its path. */
export async function microStore(
  folder: string,
  names: readonly string[] = usual,
  called = "store",
): Promise<string> {
  const store = join(folder, called);
  await mkdir(store, { recursive: true });
  const index = emptyIndex();
  for (const name of names) {
    const written = await writeRecords(store, name, corpora[name] as Corpus);
    index.modalities[name] = {
      ...written,
      preprocessing: {},
      preprocessingDigest: "0".repeat(64),
      roots: [],
    };
  }
  if (names.includes("report")) {
    const tokenizer = await loadTokenizer(await microVocabulary(folder));
    await tokenizer.save(join(store, "report", "tokenizer.json"));
    const saved = await loadTokenizer(join(store, "report", "tokenizer.json"));
    index.tokenizer = { file: "report/tokenizer.json", digest: saved.digest };
  }
  await writeIndex(store, index);
  return store;
}
