/**
 * The part of a network that is carried from stage to stage and handed to other tools: encoder, embeddings, class token
 * (reference section 3).
 *
 * Invariant: names, shapes and order are those of a saved model; a test compares them with one.
 */
import { modelNames, models } from "../config/models.js";
import { MedcossError } from "../errors.js";
import type { NativeModelSize } from "../native/types.js";

/** Edge of a patch in pixels or voxels. */
export const PATCH = 16;
/** Rows of the tables of positions, whatever the size of the inputs. */
export const positionRows = { text: 512, image2d: 32 ** 2, volume3d: 16 ** 3, frames: 8 } as const;

const parts = ["fused_encoder", "token_embed", "cls_token", "video_embed"];

/** Whether a tensor belongs to encoder or embeddings. */
export function isEncoderTensor(name: string): boolean {
  return parts.some((part) => name.includes(part));
}

type Shapes = Array<[name: string, shape: number[]]>;

const within = (prefix: string, shapes: Shapes): Shapes =>
  shapes.map(([name, shape]) => [`${prefix}.${name}`, shape]);

const vectors = (width: number, ...names: string[]): Shapes => names.map((name) => [name, [width]]);

function layerShapes(width: number): Shapes {
  return [
    ...vectors(width, "gamma_1", "gamma_2"),
    ["self_attn.in_proj_weight", [3 * width, width]],
    ["self_attn.in_proj_bias", [3 * width]],
    ["self_attn.out_proj.weight", [width, width]],
    ["self_attn.out_proj.bias", [width]],
    ["linear1.weight", [4 * width, width]],
    ["linear1.bias", [4 * width]],
    ["linear2.weight", [width, 4 * width]],
    ["linear2.bias", [width]],
    ...vectors(width, "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
  ];
}

function textShapes(width: number, vocabulary: number): Shapes {
  return [
    ["embeddings.weight", [vocabulary, width]],
    ...vectors(width, "embeddings_norm.weight", "embeddings_norm.bias"),
    ["embeddings_pos.position_embeddings.weight", [positionRows.text, width]],
    ["embeddings_token_type.weight", [2, width]],
  ];
}

function visualShapes(width: number): Shapes {
  const table = (name: string, rows: number): Shapes => [
    [`${name}.spatial_pos_embed.weight`, [rows, width]],
    [`${name}.temporal_pos_embed.weight`, [positionRows.frames, width]],
  ];
  return [
    ...vectors(width, "embeddings_norm.weight", "embeddings_norm.bias"),
    ["embeddings_pos.position_embeddings.weight", [1600, width]],
    ["embeddings_type.weight", [1, width]],
    ...table("embeddings_st_pos_2D", positionRows.image2d),
    ...table("embeddings_st_pos_3D", positionRows.volume3d),
    ["embeddings.weight", [width, 3, PATCH, PATCH]],
    ["embeddings.bias", [width]],
    ["embeddings_3D.weight", [width, 1, PATCH, PATCH, PATCH]],
    ["embeddings_3D.bias", [width]],
  ];
}

/** Names and shapes of the encoder tensors of a network. */
export function encoderShapes({
  encoderWidth: width,
  encoderLayers,
  vocabulary,
}: NativeModelSize): Map<string, number[]> {
  const layers = Array.from({ length: encoderLayers }, (_, i) =>
    within(`fused_encoder.layers.${i}`, layerShapes(width)),
  );
  return new Map([
    ["cls_token", [1, 1, width]],
    ...layers.flat(),
    ...within("token_embed", textShapes(width, vocabulary)),
    ...within("video_embed", visualShapes(width)),
  ]);
}

function misfit(path: string, problem: string): MedcossError {
  return new MedcossError("E_CHECKPOINT_SHAPE", { path, problem });
}

const text = (shape: readonly number[]) => `[${shape.join(", ")}]`;

/** The named size of that width, where there is one. */
function sizeName(width: number): string {
  const name = modelNames.find((each) => models[each]().encoderWidth === width);
  return name ?? `of width ${width}`;
}

/**
 * Compares the encoder tensors of a file with those of a network; absent ones pass unless `whole`. Throws
 * E_CHECKPOINT_SHAPE with both shapes, or where the file has no encoder at all.
 */
export function checkEncoder(
  path: string,
  tensors: ReadonlyMap<string, readonly number[]>,
  size: NativeModelSize,
  whole = false,
): void {
  const shapes = encoderShapes(size);
  const isLayer = (name: string) => name.startsWith("fused_encoder.") && shapes.has(name);
  if (![...tensors.keys()].some(isLayer)) {
    throw misfit(path, "it has no encoder");
  }
  const width = tensors.get("cls_token")?.[2];
  if (width !== undefined && width !== size.encoderWidth) {
    throw misfit(path, `it is ${sizeName(width)}, the network here ${sizeName(size.encoderWidth)}`);
  }
  for (const [name, expected] of shapes) {
    const shape = tensors.get(name);
    if (shape === undefined && whole) throw misfit(path, `it has no tensor ${name}`);
    if (shape === undefined || text(shape) === text(expected)) continue;
    throw misfit(path, `${name} is ${text(shape)}, expected ${text(expected)}`);
  }
}
