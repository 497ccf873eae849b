/**
 * The network and its optimiser: one model on one device, one step per call. The only file that reaches the addon.
 *
 * Invariant: calls on a trainer run one at a time in the order they were made; whatever native code throws arrives as
 * a MedcossError with the stack of the call.
 */
import { join } from "node:path";
import type { Batch, StepKey } from "./batch.js";
import type { Behaviour } from "./config/behaviour.js";
import type { ModelSize } from "./config/models.js";
import { nativeBehaviour, presets } from "./config/presets.js";
import { type ErrorCode, MedcossError, registry } from "./errors.js";
import { prepareCuda } from "./native/cuda.js";
import { loadBinding } from "./native/load.js";
import type {
  BuildInfo,
  CropResizeOptions,
  FeatureDistanceOptions,
  FeatureDistanceResult,
  KmeansOptions,
  KmeansResult,
  NativeBinding,
  NativeProbe,
  NativeProbeOptions,
  NativeReconstruction,
  NativeStart,
  NativeStepOptions,
  NativeStepResult,
  NativeTrainer,
  NativeTrainerOptions,
  OperationReport,
  ResampleOptions,
} from "./native/types.js";
import { readHeader } from "./safetensors.js";

export type StepOptions = NativeStepOptions;
export type StepResult = NativeStepResult;
export type Reconstruction = NativeReconstruction;
export type Probe = NativeProbe;
export type ProbeOptions = NativeProbeOptions;
export type TrainerStart = NativeStart;

/** Pieces of the default tokenizer, for models without a vocabulary of their own. */
export const DEFAULT_VOCABULARY = 30522;

/** What a trainer is made from; everything but `size` has a default. */
export interface TrainerConfig {
  /** Dimensions, for example `models.tiny()`. */
  size: ModelSize;
  /** Behaviour, by default `presets.corrected()`. */
  preset?: Behaviour;
  /** `cpu` (default), `cuda` or `cuda:1`. */
  device?: string;
  /**
   * On a CUDA device: the second step of each kind of batch is recorded, and it and all later ones start as one graph
   * (default). `false` starts every operation by itself, which is slower, and easier to profile.
   */
  graphs?: boolean;
  /** Master weights are float32 in both. */
  precision?: "fp32" | "bf16";
  /**
   * Parts of a step's batch that are computed one after another, in the memory of one; 1 by default. Gradients are those
   * of the whole batch, but for rounding.
   */
  accumulate?: number;
  /** Whether blocks are computed once more on the way back instead of being kept; the same bits in less memory. */
  recompute?: boolean;
  /** Key of every draw; 0 by default. */
  seed?: number;
  /** Stage that keys the draws of initial weights; 0 by default. */
  stage?: number;
  /** Threads of one operation, for the whole process; physical cores by default. */
  threads?: number;
  /** Initial weights; random by default. */
  start?: TrainerStart;
  /** The frozen network of replay steps; `start` means the trainer's own initial weights. */
  teacher?: TrainerStart | { kind: "start" };
}

/** The native options that a configuration stands for. */
function resolve(config: TrainerConfig): NativeTrainerOptions {
  const preset = config.preset ?? presets.corrected();
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = preset.optimizer;
  return {
    size: { vocabulary: DEFAULT_VOCABULARY, ...config.size },
    behaviour: nativeBehaviour(preset, config.recompute),
    optimizer: { beta1, beta2, epsilon, weightDecay, maxGradientNorm },
    device: config.device ?? "cpu",
    graphs: config.graphs ?? true,
    precision: config.precision ?? "fp32",
    accumulate: config.accumulate ?? 1,
    seed: config.seed ?? 0,
    stage: config.stage ?? 0,
    start: config.start ?? { kind: "random" },
    ...(config.teacher && { teacher: config.teacher }),
  };
}

/** The addon names the first missing tensor; that a whole decoder is missing is what the caller wants to know. */
async function refuseEncoderOnly(path: string): Promise<void> {
  const file = path.endsWith(".safetensors") ? path : join(path, "model.safetensors");
  // A file that is missing or broken is for the addon to refuse.
  const names = await readHeader(file).then(
    ({ tensors }) => [...tensors.keys()],
    () => [],
  );
  const has = (part: string) => names.some((name) => name.startsWith(part));
  if (has("fused_encoder.") && !has("decoder_blocks.") && !has("mlm_head.")) {
    throw new MedcossError("E_ENCODER_ONLY", { path });
  }
}

interface NativeError extends Error {
  code?: string;
  values?: Record<string, string>;
}

/** The stack of a call, kept until its promise settles. */
class CallSite {
  declare stack: string;

  constructor(below: (...args: never[]) => unknown) {
    Error.captureStackTrace(this, below);
  }
}

function toMedcossError(error: unknown, site: CallSite): MedcossError {
  if (error instanceof MedcossError) return error;
  const { code = "", values = {}, message } = error as NativeError;
  const converted =
    code in registry
      ? new MedcossError(code as ErrorCode, values)
      : new MedcossError("E_INTERNAL", { problem: message }, { cause: error });
  const frames = site.stack.slice(site.stack.indexOf("\n") + 1);
  converted.stack = `${converted.name}: ${converted.message}\n${frames}`;
  return converted;
}

/** Runs a synchronous call of the addon. */
function direct<Result>(call: (binding: NativeBinding) => Result): Result {
  try {
    return call(loadBinding());
  } catch (error) {
    throw toMedcossError(error, new CallSite(direct));
  }
}

/** Runs an asynchronous call of the addon; `below` is the public method that asked for it. */
async function settled<Result>(
  call: () => Promise<Result>,
  below: (...args: never[]) => unknown,
): Promise<Result> {
  const site = new CallSite(below);
  try {
    return await call();
  } catch (error) {
    throw toMedcossError(error, site);
  }
}

/**
 * Makes a device usable in this process: for a CUDA device loads what it needs, after a process of its own could start it.
 *
 * @throws MedcossError E_NO_CUDA with the reason, E_OUT_OF_MEMORY, E_ARGUMENT for a name that is no device
 */
export async function prepareDevice(device: string): Promise<void> {
  await prepareCuda(device);
}

/** One model on one device, behind one native thread. */
export class Trainer {
  readonly #native: NativeTrainer;

  private constructor(native: NativeTrainer) {
    this.#native = native;
  }

  /**
   * Builds a network; takes a public configuration or the native options that one resolves to.
   *
   * @throws MedcossError E_NO_CUDA, E_NO_CHECKPOINT, E_PYTORCH_FILE, E_ENCODER_ONLY, E_CHECKPOINT_SHAPE,
   * E_CHECKPOINT_CORRUPT, E_OUT_OF_MEMORY, E_ARGUMENT, and those of loading the addon
   */
  static async create(config: TrainerConfig | NativeTrainerOptions): Promise<Trainer> {
    return settled(async () => {
      const { Trainer: Native, configureThreads } = loadBinding();
      const { start } = config;
      await prepareDevice(config.device ?? "cpu");
      if (start?.kind === "file" && start.scope === "all") await refuseEncoderOnly(start.path);
      if ("threads" in config && config.threads !== undefined) configureThreads(config.threads);
      const native = new Native("behaviour" in config ? config : resolve(config));
      try {
        await native.ready();
      } catch (error) {
        await native.close();
        throw error;
      }
      return new Trainer(native);
    }, Trainer.create);
  }

  /**
   * One optimiser step. A step whose loss or gradient is not finite changes nothing and says `skipped`. On a CUDA
   * device the next may be asked for before this one is done: it is uploaded while this one runs.
   *
   * @throws MedcossError E_ARGUMENT, E_NO_TEACHER for a replay step without a teacher, E_OUT_OF_MEMORY, E_CUDA, E_CLOSED
   */
  trainStep(batch: Batch, key: StepKey, options: StepOptions): Promise<StepResult> {
    return settled(() => this.#native.trainStep(batch, key, options), this.trainStep);
  }

  /** The masked-modelling loss in evaluation mode, without an update. */
  evaluate(batch: Batch, key: StepKey): Promise<StepResult> {
    return settled(() => this.#native.evaluate(batch, key), this.evaluate);
  }

  /** Mean over the encoder's output tokens of the unmasked input, [B, encoderWidth]. `key` counts in train mode only. */
  features(batch: Batch, key: StepKey = { stage: 0, step: 0 }): Promise<Float32Array> {
    return settled(() => this.#native.features(batch, key), this.features);
  }

  /** Input, prediction and mask, in the units of the input. */
  reconstruct(batch: Batch, key: StepKey): Promise<Reconstruction> {
    return settled(() => this.#native.reconstruct(batch, key), this.reconstruct);
  }

  /** Everything observable about one step in evaluation mode, without an update. */
  probe(batch: Batch, key: StepKey, options: ProbeOptions): Promise<Probe> {
    return settled(() => this.#native.probe(batch, key, options), this.probe);
  }

  /** L2 norm of every parameter, by name. */
  parameterNorms(): Promise<Record<string, number>> {
    return settled(() => this.#native.parameterNorms(), this.parameterNorms);
  }

  /** Writes `model.safetensors` and `optimizer.safetensors` into an existing folder. */
  save(directory: string): Promise<void> {
    return settled(() => this.#native.save(directory), this.save);
  }

  /**
   * Restores what `save` wrote, optimiser state included.
   *
   * @throws MedcossError E_NO_CHECKPOINT, E_CHECKPOINT_CORRUPT, E_CHECKPOINT_SHAPE, E_ENCODER_ONLY, E_CLOSED
   */
  load(directory: string): Promise<void> {
    const load = async () => {
      try {
        await this.#native.load(directory);
      } catch (error) {
        if (typeof directory === "string") await refuseEncoderOnly(directory);
        throw error;
      }
    };
    return settled(load, this.load);
  }

  /** Waits for the calls made before and frees the network. May be called again. */
  close(): Promise<void> {
    return settled(() => this.#native.close(), this.close);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Facts of the native build and of this processor. */
export function buildInfo(): BuildInfo {
  return direct((binding) => binding.buildInfo());
}

/** Sets the threads of one operation for the whole process. */
export function configureThreads(count: number): void {
  direct((binding) => binding.configureThreads(count));
}

/** `count` numbers in [0,1) of the golden values' generator. */
export function formula(name: string, count: number, seed: number): Float64Array {
  return direct((binding) => binding.formula(name, count, seed));
}

/** Lloyd's k-means with scikit-learn's rules. */
export function kmeans(options: KmeansOptions): Promise<KmeansResult> {
  return settled(async () => {
    await prepareDevice(options?.device ?? "cpu");
    return loadBinding().kmeans(options);
  }, kmeans);
}

/** The distillation loss of replay steps with its gradient by the student's features. */
export function featureDistance(options: FeatureDistanceOptions): Promise<FeatureDistanceResult> {
  return settled(async () => loadBinding().featureDistance(options), featureDistance);
}

/** The fused operations of a device, beside those of the CPU; those of a GPU with their times, unless not `timed`. */
export function compareOperations(device: string, timed = true): Promise<OperationReport> {
  return settled(async () => {
    await prepareDevice(device);
    return loadBinding().compareOperations({ device, timed });
  }, compareOperations);
}

/** Crop, antialiased bicubic resize and flip of images; see `NativeBinding.cropResize`. Resolves to the result. */
export async function cropResize(options: CropResizeOptions): Promise<Float32Array> {
  const made = await settled(async () => loadBinding().cropResize(options), cropResize);
  return options.into ?? made;
}

/** Resampling of one volume; see `NativeBinding.resample`. */
export function resample<Type extends "float32" | "int16" = "float32">(
  options: ResampleOptions<Type>,
): Promise<Type extends "int16" ? Int16Array : Float32Array> {
  return settled(async () => loadBinding().resample(options), resample);
}
