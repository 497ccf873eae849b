/** Encoder and embeddings of a checkpoint in a folder of their own, for other tools. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import {
  type Conversion,
  convert,
  openTensorFile,
  pytorchEndings,
  refuseOutput,
} from "../checkpoints/convert.js";
import { checkEncoder, isEncoderTensor } from "../checkpoints/encoder.js";
import { ENCODER_CONFIG, encoderConfig, readEncoderConfig } from "../checkpoints/encoder-config.js";
import { type EncoderExport, encoderExportSchema } from "../config/features.js";
import { parseConfig } from "../config/parse.js";
import { MedcossError } from "../errors.js";
import { replaceJson, writing } from "../files.js";
import { findModelFile, MODEL_FILE } from "../stages/checkpoint.js";
import { type Asked, behaviourOf, type Origin, originOf, sizeOf } from "./origin.js";

/** Refuses a folder that holds anything but an earlier export, and that one unless with `force`. */
async function prepareFolder(out: string, from: string, force: boolean): Promise<void> {
  const names = await writing(out, async () => {
    await mkdir(out, { recursive: true });
    return readdir(out);
  });
  const foreign = names.find((name) => name !== MODEL_FILE && name !== ENCODER_CONFIG);
  const ours = names.length === 0 || (await readEncoderConfig(out)) !== undefined;
  if (foreign === undefined && ours) return refuseOutput(from, join(out, MODEL_FILE), force);
  const problem = "the folder holds something else than an exported encoder";
  throw new MedcossError("E_WRITE", { path: out, problem });
}

async function originAt(path: string): Promise<Origin> {
  if (pytorchEndings.has(extname(path))) return { file: path, configuration: {} };
  return originOf(await findModelFile(path));
}

/** Describes the encoder in `origin` and checks that it is whole. */
async function describe(
  origin: Origin,
  { model, preset }: { model?: unknown; preset?: Asked["preset"] },
) {
  const opened = await openTensorFile(origin.file);
  await opened.close();
  const { tensors } = opened;
  const vocabulary = tensors.get("token_embed.embeddings.weight")?.[0] ?? 1;
  const size = { ...sizeOf(model, origin, tensors), vocabulary };
  checkEncoder(origin.file, tensors, size, true);
  const { stage, modality, step, tokenizer, configuration } = origin;
  const seed = configuration.seed as number | undefined;
  const source = { stage, modality, step, seed, tokenizer };
  return encoderConfig(size, behaviourOf({ preset }, origin), source);
}

/**
 * Writes `model.safetensors` with encoder, embeddings and class token of a checkpoint into the folder `out`, and beside
 * it `config.json`, which says how a feature is computed from them. `from` is a model file, the folder of a checkpoint,
 * stage or run, or a PyTorch file. Throws E_NO_CHECKPOINT, E_CHECKPOINT_CORRUPT, E_CHECKPOINT_SHAPE where the encoder is
 * not whole, E_CONFIG where the size is not known, E_OUTPUT_EXISTS for an earlier export unless with `force`, and E_WRITE
 * for a folder that holds something else.
 */
export async function exportEncoder(config: EncoderExport): Promise<Conversion> {
  const { from, out, model, preset, force } = parseConfig(encoderExportSchema, config);
  const origin = await originAt(from);
  const description = await describe(origin, { model, preset });
  await prepareFolder(out, origin.file, force);
  const target = join(out, MODEL_FILE);
  await rm(join(out, ENCODER_CONFIG), { force: true });
  const keep = (name: string) => (isEncoderTensor(name) ? name : undefined);
  const done = await writing(target, () => convert(origin.file, target, { rename: keep, force }));
  await replaceJson(join(out, ENCODER_CONFIG), description);
  return { ...done, input: from, output: out };
}
