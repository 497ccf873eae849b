/**
 * `config.json` beside an exported encoder: all that another tool needs to compute the same features.
 *
 * Invariant: it follows from the checkpoint alone and holds no path, time or host name.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Behaviour } from "../config/behaviour.js";
import { packSchema } from "../config/pack.js";
import type { PlainObject } from "../config/parse.js";
import { MedcossError } from "../errors.js";
import type { NativeModelSize } from "../native/types.js";
import { PATCH } from "./encoder.js";

export const ENCODER_CONFIG = "config.json";
const FORMAT = "medcoss-encoder";
const VERSION = 1;

/** Where the weights of an encoder come from, as far as the checkpoint tells. */
export interface EncoderSource {
  stage?: number;
  modality?: string;
  step?: number;
  seed?: number;
  /** Digest of the tokenizer that made the token ids. */
  tokenizer?: string;
}

/** The options of a preset that matter to features. */
export type EncoderBehaviour = Pick<
  Behaviour,
  "attention" | "features" | "temporalPosition" | "encoder" | "images"
>;

export interface EncoderConfig {
  format: typeof FORMAT;
  version: number;
  architecture: { width: number; layers: number; heads: number } & PlainObject;
  inputs: Record<"text" | "image2d" | "volume3d", PlainObject>;
  pooling: PlainObject;
  behaviour: EncoderBehaviour;
  source: EncoderSource;
}

function architecture(size: NativeModelSize) {
  return {
    width: size.encoderWidth,
    layers: size.encoderLayers,
    heads: size.encoderHeads,
    mlpWidth: 4 * size.encoderWidth,
    activation: "gelu",
    norm: "before attention and before the MLP",
    layerNormEps: 1e-5,
    layerScale: true,
    finalNorm: false,
    classToken: { tensor: "cls_token", position: false, before: ["image2d", "volume3d"] },
  };
}

const grid = (edges: readonly number[]) => edges.map((edge) => edge / PATCH);

function positions(table: string, tokens: number) {
  return {
    spatial: `video_embed.${table}.spatial_pos_embed.weight`,
    rows: `0 to ${tokens - 1}, the number of the patch`,
    temporal: `video_embed.${table}.temporal_pos_embed.weight`,
    temporalRow: 0,
  };
}

function visual(embedding: string, table: string, size: readonly number[]) {
  const patches = grid(size);
  const tokens = patches.reduce((product, n) => product * n, 1);
  return {
    size,
    patch: size.map(() => PATCH),
    grid: patches,
    embedding: `video_embed.${embedding}`,
    positions: positions(table, tokens),
    norm: "video_embed.embeddings_norm",
  };
}

/** What `pack` makes of volumes unless it is told otherwise. */
function volumeValues() {
  const sources = [{ modality: "ct", recipe: "ct", path: "x" }];
  const { ct, mri } = packSchema.parse({ out: "x", sources }).preprocessing;
  const range = ct.clip.map((value) => value * ct.scale);
  return {
    ct: { unit: "Hounsfield", clip: ct.clip, scale: ct.scale, offset: 0, range },
    mri: { clipPercentiles: mri.percentiles, normalised: "z-score", scale: 1, offset: 0 },
  };
}

function text(size: NativeModelSize, { attention }: EncoderBehaviour, tokenizer?: string) {
  return {
    length: size.textLength,
    vocabulary: size.vocabulary,
    tokenizer: tokenizer ?? null,
    embedding: "token_embed.embeddings",
    positions: { table: "token_embed.embeddings_pos.position_embeddings.weight", from: 0 },
    type: { table: "token_embed.embeddings_token_type.weight", row: 0 },
    norm: "token_embed.embeddings_norm",
    attention: attention.text,
    attentionMask: attention.textMask,
  };
}

/** Describes an encoder. */
export function encoderConfig(
  size: NativeModelSize,
  behaviour: EncoderBehaviour,
  source: EncoderSource,
): EncoderConfig {
  const { attention, features, temporalPosition, encoder, images } = behaviour;
  const { tokenizer, ...rest } = source;
  return {
    format: FORMAT,
    version: VERSION,
    architecture: architecture(size),
    inputs: {
      image2d: {
        ...visual("embeddings", "embeddings_st_pos_2D", [size.imageSize, size.imageSize]),
        channels: 3,
        channelOrder: images.channelOrder,
        values: { range: [0, 1], scale: 1 / 255, offset: 0 },
        grey: "the same value in all channels",
      },
      volume3d: {
        ...visual("embeddings_3D", "embeddings_st_pos_3D", size.volumeSize),
        channels: 1,
        axes: ["z", "y", "x"],
        valuesAsPackedByDefault: volumeValues(),
      },
      text: text(size, behaviour, tokenizer),
    },
    pooling: {
      feature: "mean over the encoder's output tokens",
      classToken: true,
      textPadding: features.padding,
    },
    behaviour: { attention, features, temporalPosition, encoder, images },
    source: { ...rest, ...(tokenizer !== undefined && { tokenizer }) },
  };
}

/** The description of an exported encoder in a folder; undefined where there is none. Throws E_CHECKPOINT_CORRUPT. */
export async function readEncoderConfig(folder: string): Promise<EncoderConfig | undefined> {
  const path = join(folder, ENCODER_CONFIG);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined || !text.includes(FORMAT)) return undefined;
  let found: EncoderConfig;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    const problem = `${ENCODER_CONFIG} is not JSON`;
    throw new MedcossError("E_CHECKPOINT_CORRUPT", { path: folder, problem }, { cause });
  }
  if (found.format !== FORMAT) return undefined;
  if (found.version === VERSION && found.architecture && found.inputs && found.behaviour) {
    return found;
  }
  const problem = `${ENCODER_CONFIG} is not of version ${VERSION}`;
  throw new MedcossError("E_CHECKPOINT_CORRUPT", { path: folder, problem });
}

/** The configuration that an exported encoder stands for; its decoder, which nothing reads, is the smallest. */
export function configurationOf({
  architecture: { width, layers, heads },
  inputs,
  behaviour,
  source,
}: EncoderConfig): PlainObject {
  const model = {
    ...{ encoderWidth: width, encoderLayers: layers, encoderHeads: heads },
    ...{ decoderWidth: 4, decoderLayers: 1, decoderHeads: 1 },
    imageSize: (inputs.image2d.size as number[])[0],
    volumeSize: inputs.volume3d.size,
    textLength: inputs.text.length,
  };
  return { model, ...behaviour, seed: source.seed };
}
