import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import sharp from "sharp";
import t from "tap";
import type { Batch, ImageBatch, TextBatch, VolumeBatch } from "../../lib/batch.js";
import { loadTokenizer } from "../../lib/data/tokenizer.js";
import type { NativeReconstruction } from "../../lib/native/types.js";
import { writeReconstructions } from "../../lib/pictures/index.js";
import { mosaicSize } from "../../lib/pictures/mosaic.js";

const SIZE = 32;
const KEY = { stage: 2, step: 150 };

/** A trainer whose answer is known. */
const answering = (result: NativeReconstruction) => ({
  reconstruct: async (_batch: Batch) => result,
});

async function pixelsOf(file: string) {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return {
    info,
    at: (x: number, y: number) => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)],
  };
}

function imageBatch(samples: number): ImageBatch {
  const shape: [number, number, number, number] = [samples, SIZE, SIZE, 3];
  return { kind: "image2d", pixels: new Uint8Array(samples * SIZE * SIZE * 3), shape };
}

/** Colour (1, 0.5, 0) everywhere, predicted as (0, 0, 1); the left half is masked. */
function imageResult(samples: number): NativeReconstruction {
  const count = samples * SIZE * SIZE * 3;
  return {
    kind: "image2d",
    shape: [samples, SIZE, SIZE, 3],
    original: Float32Array.from({ length: count }, (_, i) => [1, 0.5, 0][i % 3] as number),
    prediction: Float32Array.from({ length: count }, (_, i) => [0, 0, 1.7][i % 3] as number),
    mask: Uint8Array.from({ length: count }, (_, i) => (Math.floor(i / 3) % SIZE < 16 ? 1 : 0)),
  };
}

t.test(
  "images: a row per sample, three labelled columns, prediction where it was masked",
  async (t) => {
    const folder = join(t.testdir(), "pictures");
    const trainer = answering(imageResult(3));
    const files = await writeReconstructions(trainer, imageBatch(3), KEY, folder);
    t.same(
      files.map((file) => basename(file)),
      ["step-000150.png"],
    );
    const { info, at } = await pixelsOf(files[0] as string);
    const place = mosaicSize({ width: SIZE, height: SIZE }, 3, 3);
    t.match(info, { width: place.width, height: place.height, channels: 3 });
    const [x, y] = [place.left(0), place.top(2)];
    t.same(at(x + 4, y + 4), [112, 112, 112], "masked patches are grey");
    t.same(at(x + 20, y + 4), [255, 128, 0], "visible ones show the original");
    t.same(
      at(place.left(1) + 4, y + 4),
      [0, 0, 255],
      "predictions are clamped to what can be shown",
    );
    t.same(at(place.left(1) + 20, y + 4), [255, 128, 0]);
    t.same(at(place.left(2) + 4, y + 4), [255, 128, 0]);
  },
);

t.test("images: a batch in BGR order gives the same colours in the file", async (t) => {
  const files = await writeReconstructions(
    answering(imageResult(1)),
    imageBatch(1),
    KEY,
    t.testdir(),
    undefined,
    { channelOrder: "bgr" },
  );
  const { at } = await pixelsOf(files[0] as string);
  const place = mosaicSize({ width: SIZE, height: SIZE }, 1, 3);
  t.same(at(place.left(2) + 4, place.top(0) + 4), [0, 128, 255]);
});

t.test("images: one channel is shown as grey, and only so many samples as asked for", async (t) => {
  const count = 3 * SIZE * SIZE;
  const result: NativeReconstruction = {
    kind: "image2d",
    shape: [3, SIZE, SIZE, 1],
    original: new Float32Array(count).fill(0.2),
    prediction: new Float32Array(count).fill(Number.NaN),
    mask: new Uint8Array(count).fill(1),
  };
  const options = { samples: 1 };
  const folder = t.testdir();
  const files = await writeReconstructions(
    answering(result),
    imageBatch(3),
    KEY,
    folder,
    undefined,
    options,
  );
  const { info, at } = await pixelsOf(files[0] as string);
  const place = mosaicSize({ width: SIZE, height: SIZE }, 1, 3);
  t.equal(info.height, place.height);
  t.same(at(place.left(2), place.top(0)), [51, 51, 51]);
  t.same(at(place.left(1), place.top(0)), [0, 0, 0], "what is not finite is black");
});

function volume(values: (voxel: number) => number): [VolumeBatch, NativeReconstruction] {
  const shape: [number, number, number, number] = [1, 16, SIZE, SIZE];
  const count = 16 * SIZE * SIZE;
  const original = Float32Array.from({ length: count }, (_, i) => values(i));
  const voxels = new Int16Array(count);
  return [
    { kind: "volume3d", voxels, shape, scale: 1, offset: 0 },
    { kind: "volume3d", shape, original, prediction: original, mask: new Uint8Array(count) },
  ];
}

t.test("volumes: a row per shown slice", async (t) => {
  const [batch, result] = volume((i) => Math.floor(i / (SIZE * SIZE)) / 16);
  const options = { slices: 4, modality: "mri" };
  const folder = t.testdir();
  const files = await writeReconstructions(
    answering(result),
    batch,
    KEY,
    folder,
    undefined,
    options,
  );
  const { info, at } = await pixelsOf(files[0] as string);
  const labels = [3, 7, 11, 15].map((slice) => `1, slice ${slice}`);
  const place = mosaicSize({ width: SIZE, height: SIZE }, 4, 3, labels);
  t.equal(info.width, place.width, "rows are labelled");
  t.equal(info.height, place.height);
  const greys = [0, 1, 2, 3].map((row) => at(place.left(2), place.top(row))[0] as number);
  t.same(
    greys,
    [...greys].sort((a, b) => a - b),
    "slices from low to high",
  );
  t.ok((greys[0] as number) < 60 && (greys[3] as number) > 190, "spread over the window");
});

t.test("volumes: fewer slices of many volumes", async (t) => {
  const [batch, result] = volume((i) => i % 7);
  const write = (samples: number) =>
    writeReconstructions(answering(result), batch, KEY, t.testdir(), undefined, { samples });
  const heightOf = async (samples: number) =>
    (await sharp((await write(samples))[0]).metadata()).height;
  const cell = { width: SIZE, height: SIZE };
  t.equal(await heightOf(3), mosaicSize(cell, 3, 3).height);
  t.equal(await heightOf(6), mosaicSize(cell, 2, 3).height);
});

t.test("volumes: CT has a fixed window", async (t) => {
  const [batch, result] = volume((i) => (i % SIZE < 16 ? -1 : 40 / 1024));
  const options = { modality: "ct" };
  const folder = t.testdir();
  const files = await writeReconstructions(
    answering(result),
    batch,
    KEY,
    folder,
    undefined,
    options,
  );
  const { at } = await pixelsOf(files[0] as string);
  const place = mosaicSize({ width: SIZE, height: SIZE }, 3, 3, ["1, slice 14"]);
  t.same(at(place.left(2), place.top(0)), [0, 0, 0], "air is black");
  t.same(at(place.left(2) + 20, place.top(0)), Array(3).fill(Math.round((255 * 1064) / 1424)));
});

t.test("text: masked words, guesses and truth in one line of a table per report", async (t) => {
  const tokenizer = await loadTokenizer();
  const { mask } = tokenizer.special;
  const { ids: truth, length } = tokenizer.encode("no pleural effusion | cardiomegaly", 24);
  const wrong = tokenizer.encode("cardiac", 24).ids[1] as number;
  const pieces = [...truth].map((id) => tokenizer.piece(id));
  const hidden = pieces.map((_, i) => i >= 2 && i < length - 1 && pieces[i] !== "|");
  const batch: TextBatch = {
    kind: "text",
    ids: truth.map((id, i) => (hidden[i] ? mask : id)),
    lengths: Int32Array.of(length),
    labels: truth.map((id, i) => (hidden[i] ? id : -100)),
  };
  const result: NativeReconstruction = {
    kind: "text",
    shape: [1, 24],
    original: Float32Array.from(batch.ids),
    prediction: Float32Array.from(truth, (id, i) => (i === 2 ? wrong : id)),
    mask: Uint8Array.from(hidden, Number),
  };
  const folder = t.testdir();
  t.same(
    await writeReconstructions(answering(result), batch, KEY, folder),
    [],
    "needs a tokenizer",
  );
  const [file] = await writeReconstructions(answering(result), batch, KEY, folder, tokenizer);
  const text = readFileSync(file as string, "utf8");
  t.match(text, "| no [1] [2] \\| [3] |");
  t.match(text, "2 effusion ✓, 3 cardiomegaly ✓");
  t.match(text, "| 1 pleural, 2 effusion, 3 cardiomegaly |");
  t.match(text, "2 of 3 guesses are right");
});

t.test("text: a report without masked words has a dash", async (t) => {
  const tokenizer = await loadTokenizer();
  const { ids, length } = tokenizer.encode("lungs are clear", 8);
  const batch: TextBatch = { kind: "text", ids, lengths: Int32Array.of(length) };
  const original = Float32Array.from(ids);
  const result: NativeReconstruction = {
    ...{ kind: "text", shape: [1, 8], original, prediction: original },
    mask: new Uint8Array(8),
  };
  const [file] = await writeReconstructions(answering(result), batch, KEY, t.testdir(), tokenizer);
  t.match(readFileSync(file as string, "utf8"), "| lungs are clear | - | - |");
});

t.test("text: a guess beyond the tokenizer's pieces is an unknown word", async (t) => {
  const tokenizer = await loadTokenizer();
  const { ids, length } = tokenizer.encode("lungs are clear", 8);
  const labels = new Int32Array(8).fill(-100);
  labels[1] = ids[1] as number;
  const batch: TextBatch = { kind: "text", ids, lengths: Int32Array.of(length), labels };
  const original = Float32Array.from(ids);
  const prediction = original.map(() => tokenizer.vocabularySize);
  const result = {
    kind: "text" as const,
    shape: [1, 8],
    original,
    prediction,
    mask: new Uint8Array(8),
  };
  const [file] = await writeReconstructions(answering(result), batch, KEY, t.testdir(), tokenizer);
  t.match(readFileSync(file as string, "utf8"), "1 [UNK]");
});
