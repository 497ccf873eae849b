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
