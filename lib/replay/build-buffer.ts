/**
 * A buffer from a network at hand: features of every sample, a choice among them, the budget.
 *
 * Invariant: in evaluation mode the buffer follows from weights, data, options, seed and stage; batch size and threads
 * change features in their last bits only.
 */
import { type BufferOptions, budgetSamples } from "../config/buffer.js";
import { recordBytes } from "../data/dataset.js";
import type { Buffer } from "./buffer-file.js";
import { clusterBy } from "./clusters.js";
import {
  extractFeatures,
  type FeatureInput,
  finiteSamples,
  refuseAborted,
  rowsOf,
} from "./features.js";
import { capBuffer } from "./merge.js";
import { bufferSize, type Selection, selectionMethods } from "./selection.js";

export interface SelectBufferInput extends FeatureInput {
  /** Stable number of the dataset's `index`-th record; see `Store.recordNumber`. */
  recordNumber(index: number): number;
  /** SHA-256 of the model file that the trainer's weights are in. */
  checkpointDigest: string;
  dataDigest: string;
  /** Where k-means runs: `cpu` (default), `cuda` or `cuda:1`. */
  device?: string;
  options: BufferOptions;
}

/** What was chosen, and how many samples each group was given room for. */
type Chosen = Selection & Pick<Buffer, "clusters" | "perCluster" | "width">;

async function choose(input: SelectBufferInput): Promise<Chosen> {
  const { options, seed, stage, signal, onProgress, modality, device } = input;
  const all = await extractFeatures(input);
  // A sample without a finite feature (a damaged record, overflow) cannot be placed, and costs itself alone.
  const finite = finiteSamples(all, modality);
  const features = rowsOf(all, finite);
  const report = (done: number, total: number) => {
    refuseAborted(signal, `the buffer of ${modality}`);
    onProgress?.({ phase: "selection", done, total });
  };
  const size = bufferSize(features.samples, options.share, options.centres);
  const selection = await selectionMethods[options.method]({
    ...{ features, size, seed, stage },
    cluster: clusterBy({ ...options, device }, seed, stage, report),
    onProgress: report,
  });
  const { width } = features;
  const clusters = selection.centres.length / width;
  const perCluster = clusters === size.clusters ? size.perCluster : selection.selected.length;
  const selected = selection.selected.map((each) => ({
    ...each,
    sample: finite[each.sample] as number,
  }));
  return { centres: selection.centres, selected, clusters, perCluster, width };
}

/**
 * Chooses the samples of a buffer. Throws E_ABORTED, E_FEATURES, E_CONFIG for a budget below one sample, E_ARGUMENT for
 * an empty dataset, and what the trainer throws.
 */
export async function selectBuffer(input: SelectBufferInput): Promise<Buffer> {
  const { dataset, modality, stage, seed, options } = input;
  const bytes = recordBytes(dataset.record);
  const most = options.budget === undefined ? undefined : budgetSamples(options.budget, bytes);
  const { selected, ...chosen } = await choose(input);
  const buffer: Buffer = {
    version: 1,
    modality,
    kind: dataset.kind,
    method: options.method,
    seed,
    stage,
    checkpoint: input.checkpointDigest,
    data: input.dataDigest,
    from: dataset.length,
    recordBytes: bytes,
    share: options.share,
    centreShare: options.centres,
    ...chosen,
    samples: selected.map(({ sample, cluster, distance }) => ({
      record: input.recordNumber(sample),
      cluster,
      distance,
    })),
  };
  return most === undefined ? buffer : capBuffer(buffer, most);
}
