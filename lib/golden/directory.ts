/**
 * A directory of golden values: `golden.json` and `tensors.safetensors`, checked before anything is computed.
 *
 * Invariant: every size comes from the two files, so that any seed, batch and text length can be recomputed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { MedcossError } from "../errors.js";
import { readTensors, type Tensor } from "../safetensors.js";

const gradientSchema = z.object({
  l2: z.number().nonnegative(),
  at: z.array(z.int().nonnegative()).min(1),
  val: z.array(z.number()).min(1),
});

const caseSchema = z.object({
  loss: z.number(),
  feature_mean: z.number().optional(),
  feature_std: z.number().optional(),
  grads: z.record(z.string(), gradientSchema),
});

const valuesSchema = z.object({
  seed: z.int().nonnegative(),
  batch: z.int().positive(),
  norm_pix_loss: z.literal(true),
  image2d: caseSchema.optional(),
  volume3d: caseSchema.optional(),
  text: caseSchema.optional(),
  distill_image2d: caseSchema.optional(),
  distill_volume3d: caseSchema.optional(),
  distill_text: caseSchema.optional(),
  adamw: z
    .object({
      lr: z.number().positive(),
      betas: z.tuple([z.number(), z.number()]),
      eps: z.number().positive(),
      weight_decay: z.number().nonnegative(),
      losses: z.array(z.number()).min(1),
      after: z.record(z.string(), z.number()),
    })
    .optional(),
  kmeans: z
    .object({
      N: z.int().positive(),
      k: z.int().positive(),
      d: z.int().positive(),
      per_centre: z.int().positive(),
      inertia: z.number(),
      n_iter: z.int().positive().optional(),
      selected: z.array(z.array(z.int().nonnegative())),
    })
    .optional(),
});

export type GoldenValues = z.infer<typeof valuesSchema>;
export type GoldenCase = z.infer<typeof caseSchema>;

/** The stored texts: ids and labels [B,L], real tokens of each [B]. */
export interface GoldenText {
  ids: Int32Array;
  labels: Int32Array;
  lengths: Int32Array;
  width: number;
}

export interface GoldenDirectory {
  path: string;
  values: GoldenValues;
  tensors: Map<string, Tensor>;
  text: GoldenText;
}

function refuse(problem: string): never {
  throw new MedcossError("E_FILE_FORMAT", { format: "golden", problem });
}

async function readValues(path: string): Promise<GoldenValues> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new MedcossError("E_SOURCE_MISSING", { path }, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    refuse(`${path} is not JSON`);
  }
  const result = valuesSchema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  return refuse(`${path}: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** The low words of 64-bit integers, which hold all of a small number. */
function integers(
  tensors: Map<string, Tensor>,
  name: string,
  shape: readonly number[],
): Int32Array {
  const tensor = tensors.get(name) ?? refuse(`there is no tensor ${name}`);
  if (String(tensor.shape) !== String(shape)) {
    refuse(`${name} has shape [${tensor.shape}], expected [${shape}]`);
  }
  if (tensor.dtype === "I64") return (tensor.data as Int32Array).filter((_, i) => i % 2 === 0);
  if (tensor.dtype === "I32") return tensor.data as Int32Array;
  return refuse(`${name} has type ${tensor.dtype}, expected integers`);
}

function lengthsOf(mask: Int32Array, batch: number, width: number): Int32Array {
  const lengths = new Int32Array(batch);
  for (let b = 0; b < batch; b++) {
    const row = mask.subarray(b * width, (b + 1) * width);
    const length = row.indexOf(0) < 0 ? width : row.indexOf(0);
    if (length === 0 || row.subarray(length).some((value) => value !== 0)) {
      refuse(`text.attention_mask: row ${b} is not real tokens followed by padding`);
    }
    lengths[b] = length;
  }
  return lengths;
}

/**
 * Reads and checks a directory.
 *
 * @throws MedcossError E_SOURCE_MISSING or E_FILE_FORMAT.
 */
export async function readGolden(path: string): Promise<GoldenDirectory> {
  const values = await readValues(join(path, "golden.json"));
  const tensors = await readTensors(join(path, "tensors.safetensors"));
  const width =
    tensors.get("text.input_ids")?.shape[1] ?? refuse("there is no tensor text.input_ids");
  const shape = [values.batch, width];
  const mask = integers(tensors, "text.attention_mask", shape);
  const text = {
    ids: integers(tensors, "text.input_ids", shape),
    labels: integers(tensors, "text.labels", shape),
    lengths: lengthsOf(mask, values.batch, width),
    width,
  };
  return { path, values, tensors, text };
}
