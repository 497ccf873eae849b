/**
 * The schemas of stages and runs: every field of a configuration with its default and its documentation.
 *
 * Invariant: a field without a default here either may be absent or is settled in `resolve.ts` by the model.
 */
import { z } from "zod";
import { behaviourOverrides, behaviourSchema } from "./behaviour.js";
import { bufferOptionsSchema } from "./buffer.js";
import { type ModelName, modelNames } from "./models.js";
import { type PresetName, presetNames } from "./presets.js";

const whole = () => z.int().positive();
const edge = () => whole().multipleOf(16, "Expected a multiple of 16");

const sizeSchema = z
  .strictObject({
    encoderWidth: whole().describe("Width of the encoder."),
    encoderLayers: whole().describe("Layers of the encoder."),
    encoderHeads: whole().describe("Attention heads of the encoder; they divide its width."),
    decoderWidth: whole()
      .multipleOf(4, "Expected a multiple of 4")
      .describe("Width of the decoder."),
    decoderLayers: whole().describe("Layers of the decoder."),
    decoderHeads: whole().describe("Attention heads of the decoder; they divide its width."),
    vocabulary: whole()
      .optional()
      .describe("Rows of the token table; by default the size of the tokenizer's vocabulary."),
    imageSize: edge().default(224).describe("Edge of an image in pixels."),
    volumeSize: z
      .tuple([edge(), edge(), edge()])
      .default([16, 192, 192])
      .describe("Depth, height and width of a volume in voxels."),
    textLength: whole().max(512).default(112).describe("Longest text in tokens."),
  })
  .refine((size) => size.encoderWidth % size.encoderHeads === 0, {
    path: ["encoderHeads"],
    message: "Expected a divisor of encoderWidth",
  })
  .refine((size) => size.decoderWidth % size.decoderHeads === 0, {
    path: ["decoderHeads"],
    message: "Expected a divisor of decoderWidth",
  });

const modelSchema = z
  .union([z.enum(modelNames as [ModelName, ...ModelName[]]), sizeSchema])
  .default("base")
  .describe("Size of the network: a name, or dimensions of your own.");

const presetSchema = z
  .union([z.enum(presetNames as [PresetName, ...PresetName[]]), behaviourSchema])
  .default("corrected")
  .describe("Behaviour: without the quirks of the published code, or as it ran.");

const learningRate = z
  .strictObject({
    base: z
      .number()
      .positive()
      .default(1.5e-4)
      .describe("Base rate; the peak is this times the batch size / 256."),
    peak: z
      .number()
      .positive()
      .optional()
      .describe("Peak rate, in place of base x batch size / 256. `tiny` has one by default."),
    warmup: z
      .number()
      .min(0)
      .lt(1)
      .default(40 / 300)
      .describe("Share of the steps in which the rate rises from 0; then it falls as a cosine."),
  })
  .prefault({});

const checkpoint = z
  .strictObject({
    minutes: z
      .number()
      .positive()
      .default(5)
      .describe("Minutes after which the next step is followed by a checkpoint."),
    steps: whole().optional().describe("Steps after which a checkpoint is written as well."),
  })
  .prefault({});

const training = {
  model: modelSchema,
  preset: presetSchema,
  ...behaviourOverrides,
  epochs: whole().default(300).describe("Epochs of each stage."),
  maxSteps: whole()
    .optional()
    .describe("Most steps of each stage on its own modality; replay comes on top."),
  batchSize: whole().optional().describe("Samples of a step: 8 for `tiny`, otherwise 128."),
  accumulate: whole()
    .default(1)
    .describe(
      "Parts of a step's batch that are computed one after another, in the memory of one; gradients are those of the whole batch.",
    ),
  recompute: z
    .boolean()
    .default(false)
    .describe(
      "Blocks are computed once more on the way back instead of being kept: the same bits in less memory and more time.",
    ),
  learningRate,
  device: z
    .string()
    .regex(/^(cpu|cuda(:\d+)?)$/, "Expected cpu, cuda or cuda:N")
    .default("cpu")
    .describe("Device: `cpu`, `cuda` or `cuda:N`."),
  precision: z
    .enum(["fp32", "bf16"])
    .default("fp32")
    .describe("Precision of the arithmetic; weights are kept in fp32 in both."),
  graphs: z
    .boolean()
    .default(true)
    .describe(
      "On a CUDA device: steps are recorded once for each kind of batch and started as one graph. `false` starts every operation by itself.",
    ),
  threads: whole()
    .max(1024)
    .optional()
    .describe("Threads of one operation, for the whole process; by default the physical cores."),
  workers: z
    .int()
    .min(0)
    .max(64)
    .default(1)
    .describe(
      "Threads that read a store and make its batches; 0: the main one. Batches are the same for any number.",
    ),
  seed: z.int().min(0).default(0).describe("Seed of every random draw."),
  startFrom: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Where encoder and embeddings of the first stage come from: a checkpoint, a finished run, or a `.pth` file.",
    ),
  startPositions: z
    .boolean()
    .default(false)
    .describe("Whether a Uni-Perceiver start gives its table of image positions as well."),
  replay: z
    .boolean()
    .default(true)
    .describe("Whether a stage replays the buffers of earlier ones; without, it may forget them."),
  buffers: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Buffers replayed from the first stage on: files, folders of stages, or finished runs.",
    ),
  bufferStore: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .optional()
    .describe(
      "Store of the records in `buffers`, or several: each buffer's is the first that has its modality; last, and by default, the one that is trained on.",
    ),
  buffer: bufferOptionsSchema.describe("How the buffer of each stage is chosen when it ends."),
  logEvery: whole()
    .optional()
    .describe("Steps between two rows of metrics.jsonl: 1 on a CPU, 10 on a GPU."),
  validateEvery: whole()
    .optional()
    .describe("Steps between two validations; by default one after each epoch."),
  checkpoint,
  resume: z
    .boolean()
    .default(false)
    .describe("Goes on with the run in `out`, or starts it; a finished one is left alone."),
  reconstructions: z
    .int()
    .min(0)
    .max(64)
    .default(6)
    .describe("Samples of each stage whose reconstruction is drawn."),
  nonFiniteLimit: whole()
    .default(10)
    .describe("Steps in a row with a non-finite loss that end the stage."),
};

/** A run over several stages. */
export const pretrainSchema = z.strictObject({
  store: z.string().min(1).describe("Folder of the store."),
  out: z.string().min(1).describe("Folder of the run."),
  stages: z
    .array(z.string().min(1))
    .min(1)
    .refine((stages) => new Set(stages).size === stages.length, "Expected each modality once")
    .optional()
    .describe("Modalities in the order of their stages; by default all of the store."),
  ...training,
});

/** One stage. What `data` holds besides a path is checked where it is used. */
export const stageSchema = z.strictObject({
  modality: z.string().min(1).describe("Name of the modality."),
  data: z.unknown().describe("Path of a store, a Dataset or an async iterable of batches."),
  validation: z
    .unknown()
    .optional()
    .describe("Dataset for validation; by default the store's validation share."),
  tokenizer: z
    .string()
    .optional()
    .describe("Tokenizer of texts that do not come from a store; a file."),
  stage: whole().max(0xfff0).default(1).describe("Number of the stage; it keys random draws."),
  out: z.string().min(1).describe("Folder of the stage."),
  ...training,
});

export type TrainingInput = Omit<z.input<typeof pretrainSchema>, "store" | "out" | "stages">;
export type PretrainInput = z.input<typeof pretrainSchema>;
export type StageInput = z.input<typeof stageSchema>;
export type PretrainParsed = z.output<typeof pretrainSchema>;
export type StageParsed = z.output<typeof stageSchema>;
