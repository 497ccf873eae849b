/**
 * What a checkpoint is, read from headers; weights are read only to verify digests.
 */
import { stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { type Content, contentOf } from "../checkpoints/content.js";
import { openTensorFile, pytorchEndings } from "../checkpoints/convert.js";
import { readEncoderConfig } from "../checkpoints/encoder-config.js";
import { type ModelName, modelNames, models } from "../config/models.js";
import { exists } from "../files.js";
import { findModelFile, readState, verifyCheckpoint } from "./checkpoint.js";

export interface CheckpointDescription {
  kind: "checkpoint";
  path: string;
  content: Content;
  /** Empty where there is no network; `tiny`, or `48 x 2, decoder 32 x 1` for a size without a name. */
  model: string;
  tensors: number;
  parameters: number;
  bytes: number;
  decoder: boolean;
  optimizer: boolean;
  stage?: number;
  modality?: string;
  step?: number;
  tokenizer?: string;
  /** True where digests were compared; a mismatch is an error. */
  verified: boolean;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

function layers(tensors: Shapes, prefix: string): number {
  const numbers = [...tensors.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number.parseInt(name.slice(prefix.length), 10));
  return Math.max(-1, ...numbers) + 1;
}

/** The name of the size that tensors show, or its dimensions. */
export function describeModel(tensors: Shapes): string {
  const width = (name: string) => tensors.get(name)?.[2] ?? 0;
  const encoder = `${width("cls_token")} x ${layers(tensors, "fused_encoder.layers.")}`;
  const decoder = `${width("mask_token")} x ${layers(tensors, "decoder_blocks.")}`;
  const isNamed = (name: ModelName) => {
    const size = models[name]();
    return (
      encoder === `${size.encoderWidth} x ${size.encoderLayers}` &&
      (decoder === `${size.decoderWidth} x ${size.decoderLayers}` || decoder === "0 x 0")
    );
  };
  const own = decoder === "0 x 0" ? encoder : `${encoder}, decoder ${decoder}`;
  return modelNames.find(isNamed) ?? own;
}

/** Describes a model file, a folder that holds one, or a PyTorch file. Throws E_NO_CHECKPOINT, E_CHECKPOINT_CORRUPT. */
export async function describeCheckpoint(
  path: string,
  verify: boolean,
): Promise<CheckpointDescription> {
  const pytorch = pytorchEndings.has(extname(path));
  const file = pytorch ? path : await findModelFile(path);
  const folder = dirname(file);
  const opened = await openTensorFile(file);
  await opened.close();
  const { tensors } = opened;
  const state = pytorch ? undefined : await readState(folder);
  if (verify && state) await verifyCheckpoint(folder, state);
  const content = contentOf(tensors.keys());
  const shapes = [...tensors.values()];
  const exported = pytorch ? undefined : (await readEncoderConfig(folder))?.source;
  const source = state ?? exported;
  return {
    kind: "checkpoint",
    path: file,
    content,
    model: content === "network" ? describeModel(tensors) : "",
    tensors: shapes.length,
    parameters: shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0),
    bytes: (await stat(file)).size,
    decoder: tensors.has("mask_token"),
    optimizer: !pytorch && (await exists(join(folder, "optimizer.safetensors"))),
    stage: source?.stage,
    modality: source?.modality,
    step: source?.step,
    tokenizer: state?.digests.tokenizer ?? exported?.tokenizer,
    verified: verify && state !== undefined,
  };
}
