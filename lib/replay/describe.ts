/** What a buffer is, as `inspect` tells it. */
import type { InputKind } from "../batch.js";
import type { SelectionMethod } from "../config/buffer.js";
import type { Buffer } from "./buffer-file.js";

export interface BufferDescription {
  kind: "buffer";
  path: string;
  modality: string;
  input: InputKind;
  method: SelectionMethod;
  samples: number;
  /** Samples that were chosen from. */
  from: number;
  /** Bytes of the samples' records in the store. */
  bytes: number;
  clusters: number;
  /** Clusters with at least one sample. */
  usedClusters: number;
  perCluster: number;
  width: number;
  /** Mean distance of the samples to their centres. */
  meanDistance: number;
  stage: number;
  seed: number;
  checkpoint: string;
  data: string;
}

export function describeBuffer(path: string, buffer: Buffer): BufferDescription {
  const { samples, clusters, perCluster, width, stage, seed, checkpoint, data } = buffer;
  const total = samples.reduce((sum, { distance }) => sum + distance, 0);
  return {
    kind: "buffer",
    path,
    modality: buffer.modality,
    input: buffer.kind,
    method: buffer.method,
    samples: samples.length,
    from: buffer.from,
    bytes: samples.length * buffer.recordBytes,
    clusters,
    usedClusters: new Set(samples.map(({ cluster }) => cluster)).size,
    perCluster,
    width,
    meanDistance: samples.length > 0 ? total / samples.length : 0,
    ...{ stage, seed, checkpoint, data },
  };
}
