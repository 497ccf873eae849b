/**
 * The options in which the presets differ, and the constants of the method beside them.
 *
 * Invariant: `describe` texts are the documentation; docs/configuration.md is generated from them.
 */
import { z } from "zod";

const described = <T extends z.ZodType>(schema: T, text: string): T => schema.describe(text);

/** Every option of a preset. Constants of the method have defaults; the others a preset must name. */
export const behaviourSchema = z.strictObject({
  attention: z.strictObject({
    text: described(
      z.enum(["causal", "bidirectional"]),
      "Which tokens a word sees: those before it, or all of its text.",
    ),
    textMask: described(
      z.enum(["tiled", "own"]),
      "Whether attention heads use masks of other samples of the batch, or each its own.",
    ),
  }),
  teacher: z.strictObject({
    mode: described(z.enum(["train", "eval"]), "Mode of the frozen network in replay steps."),
  }),
  features: z.strictObject({
    mode: described(z.enum(["train", "eval"]), "Mode of the network when features are computed."),
    padding: described(
      z.enum(["included", "excluded"]),
      "Whether a text's feature averages over its padding.",
    ),
    maskOneToken: described(
      z.boolean(),
      "Whether one random token is corrupted when a text's feature is computed.",
    ),
  }),
  encoder: z
    .strictObject({
      dropPath: described(
        z.number().min(0).max(0.9).default(0.1),
        "Probability that a residual branch is dropped for a sample in training.",
      ),
    })
    .prefault({}),
  decoder: z.strictObject({
    positions: described(
      z.enum(["learned-from-zero", "sincos"]),
      "Positions of the image and volume decoder: trained from zeros, or fixed sine and cosine.",
    ),
    textPosition: described(
      z.boolean(),
      "Whether one constant vector is added to every token before the language head.",
    ),
  }),
  temporalPosition: described(
    z.enum(["random", "zero"]),
    "Row of the temporal table in training: drawn for each batch, or always the first.",
  ),
  masking: z.strictObject({
    quota: described(
      z.enum(["padded-length", "real-tokens"]),
      "Length that the share of masked words refers to.",
    ),
    ratio: described(
      z.number().min(0).lt(1).default(0.75),
      "Share of image and volume patches hidden from the encoder.",
    ),
    words: described(
      z.number().gt(0).lt(1).default(0.15),
      "Share of word pieces that the language objective has to predict.",
    ),
  }),
  distillation: z.strictObject({
    padding: described(
      z.enum(["included", "excluded"]),
      "Whether padding counts in the distillation of texts.",
    ),
    text: described(z.enum(["corrupted", "clean"]), "Whether replayed texts have masked words."),
  }),
  mixup: z.strictObject({
    text: described(
      z.enum(["tokens-and-padding", "real-spans"]),
      "How two replayed texts are mixed: position by position with their padding, or real tokens only.",
    ),
  }),
  sampling: z.strictObject({
    current: described(
      z.enum(["with-replacement", "permutation"]),
      "How stages after the first draw their own data: with replacement, or each sample once an epoch.",
    ),
  }),
  optimizer: z.strictObject({
    idleParameters: described(
      z.enum(["move", "rest"]),
      "Whether parameters without a gradient in a step still move by momentum and decay.",
    ),
    beta1: described(z.number().min(0).lt(1).default(0.9), "Decay of AdamW's first moment."),
    beta2: described(z.number().min(0).lt(1).default(0.95), "Decay of AdamW's second moment."),
    epsilon: described(z.number().positive().default(1e-8), "AdamW's epsilon."),
    weightDecay: described(
      z.number().min(0).default(0.05),
      "Weight decay of matrices and tables; vectors and biases have none.",
    ),
  }),
  images: z
    .strictObject({
      channelOrder: described(
        z.enum(["bgr", "rgb"]).default("bgr"),
        "Order in which the network sees colour channels; the published weights want bgr.",
      ),
      cropScale: described(
        z.tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)]).default([0.2, 1]),
        "Smallest and largest share of an image's area that a training crop covers.",
      ),
      cropRatio: described(
        z.tuple([z.number().positive(), z.number().positive()]).default([3 / 4, 4 / 3]),
        "Smallest and largest width-to-height ratio of a training crop.",
      ),
    })
    .prefault({}),
});

/** A complete set of behaviour options. */
export type Behaviour = z.infer<typeof behaviourSchema>;
