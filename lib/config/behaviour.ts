/**
 * The options in which the presets differ, and the constants of the method beside them.
 *
 * Invariant: no defaults here; a preset names every option but those that may be absent. The descriptions are the
 * documentation.
 */
import { z } from "zod";

const attention = z.strictObject({
  text: z
    .enum(["causal", "bidirectional"])
    .describe("Which tokens a word sees: those before it, or all of its text."),
  textMask: z
    .enum(["tiled", "own"])
    .describe("Whether attention heads get masks of other samples of the batch, or their own."),
});

const features = z.strictObject({
  mode: z.enum(["train", "eval"]).describe("Mode of the network when features are computed."),
  padding: z
    .enum(["included", "excluded"])
    .describe("Whether the feature of a text averages over its padding."),
  maskOneToken: z
    .boolean()
    .describe("Whether one random token is corrupted when the feature of a text is computed."),
});

const encoder = z.strictObject({
  dropPath: z
    .number()
    .min(0)
    .max(0.9)
    .describe("Probability that a residual branch is dropped for a sample in training."),
});

const decoder = z.strictObject({
  positions: z
    .enum(["learned-from-zero", "sincos"])
    .describe("Positions in the decoder: trained from zeros, or fixed sine and cosine."),
  textPosition: z
    .boolean()
    .describe("Whether one constant vector is added to every token before the language head."),
});

const masking = z.strictObject({
  quota: z
    .enum(["padded-length", "real-tokens"])
    .describe("Length that the share of masked word pieces refers to."),
  ratio: z
    .number()
    .min(0)
    .lt(1)
    .describe("Share of image and volume patches that the encoder does not see."),
  words: z
    .number()
    .gt(0)
    .lt(1)
    .describe("Share of word pieces that the language objective predicts."),
});

const distillation = z.strictObject({
  padding: z
    .enum(["included", "excluded"])
    .describe("Whether padding counts in the distillation of texts."),
  text: z.enum(["corrupted", "clean"]).describe("Whether replayed texts have masked words."),
});

const sampling = z.strictObject({
  current: z
    .enum(["with-replacement", "permutation"])
    .describe("How stages after the first draw their data: anew each time, or once an epoch."),
  smallBuffers: z
    .enum(["left-out", "one-batch"])
    .describe("Whether a buffer of less than a batch is left out of an epoch, or gives one batch."),
});

const optimizer = z.strictObject({
  idleParameters: z
    .enum(["move", "rest"])
    .describe("Whether parameters without a gradient still move by momentum and decay."),
  beta1: z.number().min(0).lt(1).describe("Decay of AdamW's first moment."),
  beta2: z.number().min(0).lt(1).describe("Decay of AdamW's second moment."),
  epsilon: z.number().positive().describe("Epsilon of AdamW."),
  weightDecay: z
    .number()
    .min(0)
    .describe("Weight decay of matrices and tables; vectors and biases have none."),
  maxGradientNorm: z
    .number()
    .positive()
    .optional()
    .describe(
      "Gradients whose norm, of all together, is larger are scaled down to it before AdamW sees them; by default none are.",
    ),
});

const images = z.strictObject({
  channelOrder: z
    .enum(["bgr", "rgb"])
    .describe("Order in which the network sees colour channels; published weights want bgr."),
  cropScale: z
    .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
    .describe("Smallest and largest share of an image's area that a training crop covers."),
  cropRatio: z
    .tuple([z.number().positive(), z.number().positive()])
    .describe("Smallest and largest width-to-height ratio of a training crop."),
});

const teacher = z.strictObject({
  mode: z.enum(["train", "eval"]).describe("Mode of the frozen network in replay steps."),
});

const mixup = z.strictObject({
  text: z
    .enum(["tokens-and-padding", "real-spans"])
    .describe("How two replayed texts are mixed: with their padding, or real tokens only."),
});

const temporalPosition = z
  .enum(["random", "zero"])
  .describe("Row of the temporal table in training: drawn for each batch, or the first.");

/** Every option of a preset. */
export const behaviourSchema = z.strictObject({
  attention,
  teacher,
  features,
  encoder,
  decoder,
  temporalPosition,
  masking,
  distillation,
  mixup,
  sampling,
  optimizer,
  images,
});

/** A complete set of behaviour options. */
export type Behaviour = z.infer<typeof behaviourSchema>;

/** Every option, each to override the preset's. */
export const behaviourOverrides = {
  attention: attention.partial().optional(),
  teacher: teacher.partial().optional(),
  features: features.partial().optional(),
  encoder: encoder.partial().optional(),
  decoder: decoder.partial().optional(),
  temporalPosition: temporalPosition.optional(),
  masking: masking.partial().optional(),
  distillation: distillation.partial().optional(),
  mixup: mixup.partial().optional(),
  sampling: sampling.partial().optional(),
  optimizer: optimizer.partial().optional(),
  images: images.partial().optional(),
};
