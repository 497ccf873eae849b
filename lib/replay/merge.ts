/**
 * Buffers joined and made smaller: pure functions, new buffers out.
 */
import { createHash } from "node:crypto";
import { type Budget, budgetSamples } from "../config/buffer.js";
import { MedcossError } from "../errors.js";
import type { Buffer, BufferSample } from "./buffer-file.js";

/** Most samples of one cluster. */
function mostMembers(samples: readonly BufferSample[]): number {
  return ranks(samples).reduce((most, rank) => Math.max(most, rank + 1), 1);
}

/** The place of each sample among those of its cluster. */
function ranks(samples: readonly BufferSample[]): number[] {
  const sizes = new Map<number, number>();
  return samples.map(({ cluster }) => {
    const rank = sizes.get(cluster) ?? 0;
    sizes.set(cluster, rank + 1);
    return rank;
  });
}

/**
 * The buffer within a budget: samples, or bytes of their records in the store. What goes first is the last sample of the
 * largest cluster, the farthest from its centre where several are equally large; so no cluster loses its nearest sample
 * while another has two. Random and herded buffers lose the samples chosen last. Throws E_CONFIG.
 */
export function capBuffer(buffer: Buffer, budget: Budget): Buffer {
  const most = budgetSamples(budget, buffer.recordBytes);
  if (buffer.samples.length <= most) return buffer;
  const rank = ranks(buffer.samples);
  const kept = buffer.samples
    .map((sample, at) => ({ at, rank: rank[at] as number, sample }))
    .sort((a, b) => a.rank - b.rank || a.sample.distance - b.sample.distance || a.at - b.at)
    .slice(0, most)
    .sort((a, b) => a.at - b.at)
    .map(({ sample }) => sample);
  return { ...buffer, perCluster: mostMembers(kept), samples: kept };
}

/** The preprocessing's part of a data digest, the same for a store before and after more was packed. */
const preprocessing = ({ data }: Buffer) => data.split(":")[0];

function refuseMisfits(first: Buffer, others: readonly Buffer[]): void {
  const same = (what: string, of: (buffer: Buffer) => string | number | undefined) => {
    const other = others.find((buffer) => of(buffer) !== of(first));
    if (!other) return;
    const problem = `${what} ${of(first)} and ${of(other)}`;
    throw new MedcossError("E_BUFFER_MISMATCH", { problem });
  };
  same("modality", ({ modality }) => modality);
  same("kind", ({ kind }) => kind);
  same("feature width", ({ width }) => width);
  same("method", ({ method }) => method);
  same("record bytes", ({ recordBytes }) => recordBytes);
  same("preprocessing", preprocessing);
}

/** The one value, or the digest of the several. */
function joinedDigest(values: readonly string[]): string {
  const distinct = [...new Set(values)].sort();
  if (distinct.length === 1) return distinct[0] as string;
  return createHash("sha256").update(distinct.join("\n")).digest("hex");
}

function joinedCentres(buffers: readonly Buffer[]): Float32Array {
  const centres = new Float32Array(buffers.reduce((sum, buffer) => sum + buffer.centres.length, 0));
  let at = 0;
  for (const buffer of buffers) {
    centres.set(buffer.centres, at);
    at += buffer.centres.length;
  }
  return centres;
}

/** Samples of all buffers, each record once, with the clusters of each buffer after those of the one before. */
function joinedSamples(buffers: readonly Buffer[]): BufferSample[] {
  const seen = new Set<number>();
  let first = 0;
  return buffers.flatMap(({ samples, clusters }) => {
    const offset = first;
    first += clusters;
    return samples.flatMap((sample) => {
      if (seen.has(sample.record)) return [];
      seen.add(sample.record);
      return [{ ...sample, cluster: sample.cluster + offset }];
    });
  });
}

/**
 * One buffer of several of one modality and one store, such as one for each hospital or each delivery. A record that
 * several name stays in the cluster of the first. Data digest and number of samples chosen from are those of the buffer
 * that was chosen from most. Throws E_BUFFER_MISMATCH, and E_ARGUMENT without a buffer.
 */
export function mergeBuffers(buffers: readonly Buffer[]): Buffer {
  const [first, ...others] = buffers;
  if (!first) {
    const values = { expected: "at least one buffer", argument: "buffers", received: 0 };
    throw new MedcossError("E_ARGUMENT", values);
  }
  refuseMisfits(first, others);
  const largest = buffers.reduce((a, b) => (b.from > a.from ? b : a));
  const samples = joinedSamples(buffers);
  return {
    ...first,
    stage: Math.max(...buffers.map(({ stage }) => stage)),
    checkpoint: joinedDigest(buffers.map(({ checkpoint }) => checkpoint)),
    data: largest.data,
    from: Math.max(largest.from, samples.length),
    clusters: buffers.reduce((sum, { clusters }) => sum + clusters, 0),
    perCluster: mostMembers(samples),
    centres: joinedCentres(buffers),
    samples,
  };
}
