/**
 * Floating-point operations of a training step, counted by hand: two for a multiplication with its addition, the
 * backward pass twice the forward one; matrix products only.
 */
import { models } from "../../lib/config/models.js";
import { IMAGE, type Kind, TEXT_LENGTH, VOLUME } from "./inputs.js";

const PATCH = 16;
const KEPT = 0.25;
const BACKWARD = 2;

/** Multiplications of one transformer block on a sequence: four projections, the two MLP layers, two attention products. */
function block(tokens: number, width: number): number {
  return tokens * 12 * width ** 2 + 2 * tokens ** 2 * width;
}

function visual(patches: number, values: number): number {
  const size = models.base();
  const seen = Math.floor(patches * KEPT) + 1;
  const embedding = patches * values * size.encoderWidth;
  const encoder = size.encoderLayers * block(seen, size.encoderWidth);
  const decoder = size.decoderLayers * block(patches + 1, size.decoderWidth);
  const heads = seen * size.encoderWidth * size.decoderWidth;
  return embedding + encoder + decoder + heads + (patches + 1) * size.decoderWidth * values;
}

function text(): number {
  const { encoderWidth, encoderLayers, vocabulary = 0 } = models.base();
  const head = TEXT_LENGTH * encoderWidth * (encoderWidth + vocabulary);
  return encoderLayers * block(TEXT_LENGTH, encoderWidth) + head;
}

/** Multiplications of the encoder with its embedding; `share` of the patches reach the blocks. */
function encoded(kind: Kind, share: number): number {
  const { encoderWidth, encoderLayers } = models.base();
  if (kind === "text") return encoderLayers * block(TEXT_LENGTH, encoderWidth);
  const edges = kind === "image2d" ? IMAGE.slice(0, 2) : VOLUME;
  const values = kind === "image2d" ? PATCH ** 2 * (IMAGE[2] as number) : PATCH ** 3;
  const patches = edges.reduce((n, edge) => n * (edge / PATCH), 1);
  const seen = Math.floor(patches * share) + 1;
  return patches * values * encoderWidth + encoderLayers * block(seen, encoderWidth);
}

/** Operations of one sample's features. */
export function featureFlops(kind: Kind): number {
  return 2 * encoded(kind, 1);
}

/** Operations of one sample's replay step: the student's passes and the teacher's forward one. */
export function replayFlops(kind: Kind): number {
  return 2 * encoded(kind, KEPT) * (1 + BACKWARD + 1);
}

/** Operations of one sample's step. */
export function stepFlops(kind: Kind): number {
  const patches = (edges: readonly number[]) => edges.reduce((n, edge) => n * (edge / PATCH), 1);
  const forward =
    kind === "text"
      ? text()
      : kind === "image2d"
        ? visual(patches(IMAGE.slice(0, 2)), PATCH ** 2 * (IMAGE[2] as number))
        : visual(patches(VOLUME), PATCH ** 3);
  return 2 * forward * (1 + BACKWARD);
}
