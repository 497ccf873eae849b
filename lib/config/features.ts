/**
 * The schemas of what is done with a finished network: `buffer`, `embed`, `reconstruct`, `convert --encoder-only`.
 *
 * Invariant: fields that a checkpoint records have no default; the checkpoint's value is taken.
 */
import { z } from "zod";
import { behaviourSchema } from "./behaviour.js";
import { bufferFields } from "./buffer.js";
import { pretrainSchema } from "./training.js";

const { device, precision, threads, model, preset } = pretrainSchema.shape;
const { features, attention, temporalPosition, encoder, images } = behaviourSchema.shape;

const network = {
  store: z.string().min(1).describe("Folder of the store."),
  modality: z.string().min(1).describe("Name of the modality in the store."),
  checkpoint: z
    .string()
    .min(1)
    .describe("Model file, or the folder of a checkpoint, stage or run that holds one."),
  model: model
    .unwrap()
    .optional()
    .describe("Size of the network; by default what the checkpoint says."),
  preset: preset
    .unwrap()
    .optional()
    .describe("Behaviour; by default the one that the checkpoint was trained with."),
  features: features.partial().optional(),
  attention: attention.partial().optional(),
  temporalPosition: temporalPosition.optional(),
  encoder: encoder.partial().optional(),
  images: images.partial().optional(),
  batchSize: z.int().positive().default(128).describe("Samples that are computed together."),
  stage: z
    .int()
    .positive()
    .max(0xfff0)
    .optional()
    .describe("Stage that keys random draws; by default the checkpoint's, else 1."),
  seed: z
    .int()
    .min(0)
    .optional()
    .describe("Seed of every random draw; by default that of the checkpoint's run, else 0."),
  device,
  precision,
  threads,
};

/** What `buildBuffer` takes. */
export const bufferSchema = z.strictObject({
  ...network,
  out: z.string().min(1).optional().describe("File to write; without it nothing is written."),
  ...bufferFields,
});

/** What `embed` takes. */
export const embedSchema = z.strictObject({
  ...network,
  out: z
    .string()
    .regex(/\.npy$/, "Expected a name that ends in .npy")
    .optional()
    .describe("File to write, with a .jsonl beside it; without it nothing is written."),
  part: z
    .enum(["train", "validation", "all"])
    .default("all")
    .describe("Which records: for training, put aside for validation, or both."),
});

const { batchSize: _, ...single } = network;

/** What `reconstruct` takes; its records are one batch. */
export const reconstructSchema = z.strictObject({
  ...single,
  out: z.string().min(1).describe("Folder to write the pictures to."),
  samples: z.int().positive().max(64).default(6).describe("Records shown."),
});

/** What `exportEncoder` takes. */
export const encoderExportSchema = z.strictObject({
  from: z
    .string()
    .min(1)
    .describe("Model file, folder of a checkpoint, stage or run, or a PyTorch file."),
  out: z.string().min(1).describe("Folder to write."),
  force: z.boolean().default(false).describe("Whether an earlier export is replaced."),
  model: network.model,
  preset: network.preset,
});

export type BufferConfig = z.input<typeof bufferSchema>;
export type EmbedConfig = z.input<typeof embedSchema>;
export type ReconstructConfig = z.input<typeof reconstructSchema>;
export type EncoderExport = z.input<typeof encoderExportSchema>;
/** The fields that all but the last share, with their defaults. */
export type NetworkParsed = Omit<z.output<typeof embedSchema>, "out" | "part" | "batchSize">;
