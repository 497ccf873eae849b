/**
 * Floating-point operations of a step, counted by hand: two for a multiplication with its addition; matrix products
 * only; the backward pass twice the forward one, save the patch embedding, whose input needs no gradient.
 *
 * Invariant: `plain` counts are those that a FLOP counter finds in the plain peer, with every padded token and every
 * prediction; `executed` ones leave out what a contender leaves out.
 */
import { models } from "../../lib/config/models.js";
import { IMAGE, type Kind, LABEL_EVERY, LABEL_FIRST, TEXT_LENGTH, VOLUME } from "./inputs.js";
import type { Objective } from "./options.js";

const PATCH = 16;
const KEPT = 0.25;
const DROP_PATH = 0.1;
/** Passes of a layer whose input needs a gradient, and of one whose input does not. */
const [TRAINED, FIRST, FORWARD] = [3, 2, 1];

/** What a contender leaves out of the plain computation. */
export interface Savings {
  /** Predictions and language head at masked positions only. */
  maskedOnly?: true;
  /** Embedding of the kept patches only. */
  keptOnly?: true;
  /** Padding of texts. */
  packed?: true;
  /** Branches of dropped samples. */
  dropped?: true;
}

/** Everything that this package leaves out; a GPU computes dropped branches, so that shapes stay. */
export const ourSavings = (device: string): Savings => ({
  ...({ maskedOnly: true, keptOnly: true, packed: true } as const),
  ...(device === "cpu" && ({ dropped: true } as const)),
});

/** Multiplications of one transformer block on a sequence: four projections, the two MLP layers, two attention products. */
function block(tokens: number, width: number): number {
  return tokens * 12 * width ** 2 + 2 * tokens ** 2 * width;
}

function grid(kind: "image2d" | "volume3d"): { patches: number; values: number } {
  const edges = kind === "image2d" ? IMAGE.slice(0, 2) : VOLUME;
  const values = kind === "image2d" ? PATCH ** 2 * IMAGE[2] : PATCH ** 3;
  return { patches: edges.reduce((n, edge) => n * (edge / PATCH), 1), values };
}

function encoder(tokens: number, { dropped }: Savings): number {
  const { encoderWidth, encoderLayers } = models.base();
  return encoderLayers * block(tokens, encoderWidth) * (dropped ? 1 - DROP_PATH : 1);
}

/** Embedding, encoder and, of plain steps, decoder of one image or volume. */
function visual(kind: "image2d" | "volume3d", objective: Objective, savings: Savings): number {
  const size = models.base();
  const { patches, values } = grid(kind);
  const kept = Math.floor(patches * KEPT);
  const embedding = (savings.keptOnly ? kept : patches) * values * size.encoderWidth;
  const encoded = encoder(kept + 1, savings);
  if (objective === "replay") {
    const teacher = embedding + encoder(kept + 1, {});
    return FIRST * embedding + TRAINED * encoded + FORWARD * teacher;
  }
  const decoder = size.decoderLayers * block(patches + 1, size.decoderWidth);
  const entry = (kept + 1) * size.encoderWidth * size.decoderWidth;
  const predicted = savings.maskedOnly ? patches - kept : patches + 1;
  const head = predicted * size.decoderWidth * values;
  return FIRST * embedding + TRAINED * (encoded + decoder + entry + head);
}

const labelled = (tokens: number) =>
  Math.max(0, Math.ceil((Math.min(tokens, TEXT_LENGTH) - LABEL_FIRST) / LABEL_EVERY));

/** Encoder and, of plain steps, language head of one text of so many real tokens. */
function text(length: number, objective: Objective, savings: Savings): number {
  const { encoderWidth, vocabulary = 0 } = models.base();
  const tokens = savings.packed ? length : TEXT_LENGTH;
  const encoded = encoder(tokens, savings);
  if (objective === "replay") return TRAINED * encoded + FORWARD * encoder(tokens, {});
  const predicted = savings.maskedOnly ? labelled(length) : TEXT_LENGTH;
  return TRAINED * (encoded + predicted * encoderWidth * (encoderWidth + vocabulary));
}

/** Operations of one step on texts of these lengths, or as many images or volumes. */
export function stepFlops(
  kind: Kind,
  objective: Objective,
  lengths: readonly number[],
  savings: Savings = {},
): number {
  if (kind !== "text") return 2 * lengths.length * visual(kind, objective, savings);
  return 2 * lengths.reduce((sum, length) => sum + text(length, objective, savings), 0);
}

/** Operations of one sample's features, nothing masked. */
export function featureFlops(kind: Kind): number {
  if (kind === "text") return 2 * encoder(TEXT_LENGTH, {});
  const { patches, values } = grid(kind);
  return 2 * (patches * values * models.base().encoderWidth + encoder(patches + 1, {}));
}
