/**
 * The hand-written contract of the native addon: everything that C++ exports, each method marked sync or async.
 *
 * Invariant: a test compares this file with the exports of the loaded addon. Typed arrays that go in are copied before
 * the call returns; arrays that come out are fresh. No tensor handle crosses this boundary.
 */
import type { Batch, StepKey } from "../batch.js";

/** Facts of a build, read without starting any thread. */
export interface BuildInfo {
  /** Version of the addon, that of package.json. */
  addon: string;
  /** LibTorch release that the addon was compiled against, for example `2.11.0`. */
  libtorch: string;
  /** Instruction set that LibTorch chose here, for example `AVX2`. */
  cpuCapability: string;
  /** Whether the processor multiplies bf16 matrices in hardware. */
  bf16Hardware: boolean;
  /** Threads that LibTorch uses for one operation. */
  threads: number;
}

/** One network's dimensions. */
export interface NativeModelSize {
  encoderWidth: number;
  encoderLayers: number;
  encoderHeads: number;
  decoderWidth: number;
  decoderLayers: number;
  decoderHeads: number;
  /** Rows of the token table and classes of the language head. */
  vocabulary: number;
  /** Edge of a square image in pixels, a multiple of 16. */
  imageSize: number;
  /** Depth, height, width of a volume in voxels, multiples of 16. */
  volumeSize: [number, number, number];
  /** Longest text in tokens. */
  textLength: number;
}

/** The switches between published and corrected behaviour that act inside a step (the preset table in the docs). */
export interface NativeBehaviour {
  attentionText: "causal" | "bidirectional";
  attentionTextMask: "tiled" | "own";
  teacherMode: "train" | "eval";
  featuresMode: "train" | "eval";
  featuresPadding: "included" | "excluded";
  decoderPositions: "learned-from-zero" | "sincos";
  decoderTextPosition: boolean;
  temporalPosition: "random" | "zero";
  distillationPadding: "included" | "excluded";
  mixupText: "tokens-and-padding" | "real-spans";
  idleParameters: "move" | "rest";
  /** Share of patches hidden from the encoder, in [0, 1). */
  maskRatio: number;
  /** Probability that a residual branch is dropped for a sample in training. */
  dropPath: number;
  /**
   * How blocks are computed: `fused` (default); the same, but once more on the way back instead of being kept; or as
   * LibTorch's modules, the oracle of tests.
   */
  blocks?: "fused" | "recomputed" | "modules";
}

export interface NativeOptimizer {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** Above 0. Gradients whose norm, of all together, is larger are scaled down to it; by default none are. */
  maxGradientNorm?: number;
}

/** Where initial weights come from; everything not named there is drawn from (seed, stage). */
export type NativeStart =
  | { kind: "random" }
  /** `carry-over`: only encoder and embeddings are copied, as between stages; `all`: every tensor must be there. */
  | { kind: "file"; path: string; scope: "carry-over" | "all" }
  /** Weights from the formula of the golden values. */
  | { kind: "formula"; seed: number };

export interface NativeTrainerOptions {
  size: NativeModelSize;
  behaviour: NativeBehaviour;
  optimizer: NativeOptimizer;
  device: string;
  /** On a CUDA device: steps are recorded and started as graphs (default). Otherwise operation by operation. */
  graphs?: boolean;
  precision: "fp32" | "bf16";
  /** Parts of a step's batch that are computed one after another; 1 by default. */
  accumulate?: number;
  seed: number;
  /** Stage number that keys the draws of initial weights. */
  stage: number;
  start: NativeStart;
  /** The frozen network of replay steps; without it a replay step is refused. `start`: a copy of the student's start. */
  teacher?: NativeStart | { kind: "start" };
}

export interface NativeStepOptions {
  learningRate: number;
  objective: "plain" | "replay";
  /** Masking noise [B,L] in place of a draw. */
  noise?: Float32Array;
  /**
   * Replay: the teacher's features [B,1+K,encoderWidth] (text: [B,L,encoderWidth]) of this very batch, which is taken
   * as mixed already. No teacher is needed then.
   */
  targets?: Float32Array;
}

export interface NativeStepResult {
  loss: number;
  /** Of all gradients together, before any are scaled down. */
  gradientNorm: number;
  skipped: boolean;
  samples: number;
}

/** Images and volumes: [B,H,W,C] or [B,D,H,W]. Text: values are token ids [B,L]. */
export interface NativeReconstruction {
  kind: "image2d" | "volume3d" | "text";
  shape: number[];
  /** The input as the network got it (text: with its masked words). */
  original: Float32Array;
  /** The network's prediction, in the units of the input; text: the most probable id at each position. */
  prediction: Float32Array;
  /** 1 where the network had to predict, per pixel or voxel or token. */
  mask: Uint8Array;
}

/** What a probe is to compute, and what it injects in place of draws. */
export interface NativeProbeOptions {
  objective: "plain" | "replay";
  /** Masking noise [B,L]. */
  noise?: Float32Array;
  /** Mixup weight of each sample [B] (images, volumes). */
  lambda?: Float32Array;
  /** Text mixup: 1 keeps the sample's own token [B,L]. */
  keep?: Uint8Array;
  /** Mixup partner of each sample [B]. */
  partner?: Int32Array;
  /** Parameters and flat indices whose gradient samples are wanted. */
  gradients?: Array<{ name: string; at: number[] }>;
  /** Rows of the decoder's prediction of sample 0 to return. */
  predictedRows?: number;
}

/** Everything observable about one step in evaluation mode, without an update. */
export interface NativeProbe {
  loss: number;
  /** Per parameter that received a gradient. */
  gradients: Record<string, { l2: number; values: number[] }>;
  /** Encoder output [B,1+K,W] with the class token first (text: [B,L,W]); before the language head's position is added. */
  encoded: Float32Array;
  encodedShape: number[];
  /** 1 = masked, in original order [B,L]; empty for text. */
  mask: Float32Array;
  /** First rows of the decoder's prediction of sample 0, [rows, values]; empty for text. */
  predicted: Float32Array;
}

/** A network with its optimiser on one device, behind one executor thread (first in, first out). */
export interface NativeTrainer {
  /** async. Builds the network; every other call waits for it. */
  ready(): Promise<void>;
  /** async. One optimiser step. */
  trainStep(batch: Batch, key: StepKey, options: NativeStepOptions): Promise<NativeStepResult>;
  /** async. The loss in evaluation mode, without an update. */
  evaluate(batch: Batch, key: StepKey): Promise<NativeStepResult>;
  /** async. Pooled features [B, encoderWidth]. */
  features(batch: Batch, key: StepKey): Promise<Float32Array>;
  /** async. */
  reconstruct(batch: Batch, key: StepKey): Promise<NativeReconstruction>;
  /** async. */
  probe(batch: Batch, key: StepKey, options: NativeProbeOptions): Promise<NativeProbe>;
  /** async. L2 norm of every parameter, by name. */
  parameterNorms(): Promise<Record<string, number>>;
  /** async. Writes `model.safetensors` and `optimizer.safetensors` into an existing folder and flushes them to disk. */
  save(directory: string): Promise<void>;
  /** async. Restores what `save` wrote, optimiser state included. */
  load(directory: string): Promise<void>;
  /** async, idempotent. Waits for queued work, joins the executor thread, frees the network. */
  close(): Promise<void>;
}

export interface NativeTrainerConstructor {
  new (options: NativeTrainerOptions): NativeTrainer;
}

export interface KmeansOptions {
  /** `cpu` (default), `cuda` or `cuda:1`. */
  device?: string;
  /** Most bytes of a GPU's memory; samples that do not fit are streamed. Default: four fifths of what is free. */
  deviceMemory?: number;
  /** [N,d] row-major. */
  data: Float32Array;
  samples: number;
  dimensions: number;
  clusters: number;
  /** Initial centres [k,d]; without them greedy k-means++ from `seed`. */
  centres?: Float32Array;
  seed: number;
  restarts: number;
  maxIterations: number;
  /** Relative to the mean variance of the features, as in scikit-learn. */
  tolerance: number;
}

export interface KmeansResult {
  labels: Int32Array;
  centres: Float32Array;
  inertia: number;
  iterations: number;
}

export interface FeatureDistanceOptions {
  /** [B,L,W] row-major, of both sides. */
  student: Float32Array;
  teacher: Float32Array;
  shape: [number, number, number];
  /** [B,L] 1 where a row counts; all by default. */
  real?: Uint8Array;
}

export interface FeatureDistanceResult {
  /** Mean of (student - teacher)^2 over the elements that count. */
  loss: number;
  /** Its gradient by the student [B,L,W]. */
  gradient: Float32Array;
  /** Time of both passes, without the copies in and out. */
  seconds: number;
}

/** Output voxel i of an axis reads input position `i * scale + shift`, in voxels. */
export interface ResampleOptions<Type extends "float32" | "int16" = "float32"> {
  /** [z,y,x]. */
  voxels: Uint8Array | Int16Array | Float32Array;
  shape: [number, number, number];
  size: [number, number, number];
  scale: [number, number, number];
  shift: [number, number, number];
  /** Cubic B-splines pass through the voxels and mirror at the outermost centres. Default: linear. */
  interpolation?: "linear" | "bspline";
  /**
   * Smooths every axis whose scale is over 1 by a Gaussian of sigma (scale - 1) / 2, cut at 4 sigma, mirrored at the
   * outermost centres; as in scikit-image.
   */
  antialias?: boolean;
  /** What positions beyond the outermost centres read: the nearest voxel (default), or the mirrored volume. */
  boundary?: "nearest" | "mirror";
  /** Value of positions outside [-0.5, n-0.5) on any axis; without it `boundary` holds there too. */
  outside?: number;
  /** Keeps values between the input's least and greatest, which splines overshoot. */
  keepRange?: boolean;
  /** Type of the result. int16 rounds, halves to even. */
  dtype?: Type;
}

export interface CropResizeOptions {
  pixels: Uint8Array;
  shape: [number, number, number, number];
  /** [B,4] top, left, height, width in pixels. */
  crops: Float32Array;
  /** Bit 0: mirror left-right. */
  flips: Uint8Array;
  size: number;
  /** Takes the result, of whose length it is, in shared memory; then the call resolves to an empty array. */
  into?: Float32Array;
}

/** The fused operations of a device beside those of the CPU. */
export interface OperationReport {
  /** `error` is the norm of the difference over that of the CPU's result; it should be at most `bound`. */
  comparisons: Array<{ name: string; error: number; bound: number }>;
  /** On CUDA devices. `bytes` are the fewest that the operation must read and write. */
  timings: Array<{ name: string; microseconds: number; bytes: number }>;
}

/** A GPU as the driver describes it. */
export interface CudaDevice {
  name: string;
  /** Compute capability, for example `9.0`. */
  capability: string;
  multiprocessors: number;
  memoryBytes: number;
}

export interface NativeBinding {
  /** sync. */
  buildInfo(): BuildInfo;
  /** sync. Sets LibTorch's and OpenMP's threads for the process. */
  configureThreads(count: number): void;
  /** sync. `count` numbers in [0,1) of the golden values' generator. */
  formula(name: string, count: number, seed: number): Float64Array;
  /** sync. Four 32-bit words of Philox 4x32-10; for the contract test of the generator. */
  philox(key: [number, number], counter: [number, number, number, number]): Uint32Array;
  /** async. Crop, antialiased bicubic resize and flip of uint8 images [B,H,W,C] to [B,size,size,C] in [0,1]. */
  cropResize(options: CropResizeOptions): Promise<Float32Array>;
  /** async. Resampling of one volume on a grid of its own, as float32 or rounded to int16. */
  resample<Type extends "float32" | "int16" = "float32">(
    options: ResampleOptions<Type>,
  ): Promise<Type extends "int16" ? Int16Array : Float32Array>;
  /** async. Lloyd's k-means; an empty cluster takes the sample farthest from its own centre. */
  kmeans(options: KmeansOptions): Promise<KmeansResult>;
  /** async. The distillation loss of replay steps with its gradient; for tests and timing. */
  featureDistance(options: FeatureDistanceOptions): Promise<FeatureDistanceResult>;
  /** async. The fused operations and their gradients on a device beside the CPU's; for the check of a GPU. */
  compareOperations(options: { device: string; timed: boolean }): Promise<OperationReport>;
  /** sync. Takes the kernel library that was preloaded from `path` into use; E_NO_CUDA without a driver or GPU. */
  openCuda(path: string): CudaDevice[];
  /** sync. Bytes that are free on a GPU, after openCuda; starts the GPU, E_CUDA where it or its driver is broken. */
  freeCudaMemory(index: number): number;
  /** sync. The most bytes of a GPU that LibTorch has held for this process. */
  peakCudaMemory(index: number): number;
  Trainer: NativeTrainerConstructor;
}
