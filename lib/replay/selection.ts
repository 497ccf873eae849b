/**
 * Which samples of a modality a buffer keeps, from their features: methods behind one interface.
 *
 * Invariant: a selection names each sample at most once, and depends on features, sizes, seed and stage alone.
 */
import type { SelectionMethod } from "../config/buffer.js";
import { Draws, Purpose } from "../random.js";
import { distanceTo, type FeatureTable, meanFeature } from "./feature-table.js";
import { herding } from "./herding.js";

/** How many samples are kept: at most `perCluster` in each of `clusters` groups. */
export interface BufferSize {
  clusters: number;
  perCluster: number;
}

/** A kept sample: its number, its group, and its Euclidean distance to the group's centre. */
export interface Selected {
  sample: number;
  cluster: number;
  distance: number;
}

export interface Selection {
  /** Group by group; in a group the one to be kept longest first. */
  selected: Selected[];
  /** [groups, width]; the mean of all features where a method has no groups. */
  centres: Float32Array;
}

/** Groups samples: labels [samples] and centres [clusters, width]. */
export type Cluster = (
  features: FeatureTable,
  clusters: number,
) => Promise<{ labels: Int32Array; centres: Float32Array }>;

export interface SelectionInput {
  features: FeatureTable;
  size: BufferSize;
  seed: number;
  stage: number;
  cluster: Cluster;
  /** Called now and then with the share that is done; throws to stop. */
  onProgress(done: number, total: number): void;
}

/** A selection method; a new one is a function here, and its name in `config/buffer.ts`. */
export type Select = (input: SelectionInput) => Promise<Selection>;

/** Floor that forgives the rounding of a product such as 0.29 x 100. */
const whole = (value: number) => Math.floor(value + 1e-9);

/**
 * Sizes of a buffer of `share` of the samples around `centres` of their number: floor(centres N) clusters, each with
 * floor(floor(share N) / clusters) samples. Where that is none, one: small corpora have a buffer too. There are never
 * more clusters than samples to keep.
 *
 * Source: the paper's 1 % centres and 5 % buffer.
 */
export function bufferSize(samples: number, share = 0.05, centres = 0.01): BufferSize {
  if (samples === 0) return { clusters: 0, perCluster: 0 };
  const kept = Math.max(1, whole(share * samples));
  const clusters = Math.min(kept, Math.max(1, whole(centres * samples)));
  return { clusters, perCluster: Math.floor(kept / clusters) };
}

/** The `perCluster` members nearest to each centre, nearest first; ties go to the lower sample number. */
const kmeans: Select = async ({ features, size, cluster }) => {
  const { labels, centres } = await cluster(features, size.clusters);
  const members = Array.from({ length: size.clusters }, (): Selected[] => []);
  for (let sample = 0; sample < features.samples; sample++) {
    const label = labels[sample] as number;
    const distance = distanceTo(features, sample, centres, label);
    members[label]?.push({ sample, cluster: label, distance });
  }
  const nearest = (group: Selected[]) =>
    group.sort((a, b) => a.distance - b.distance || a.sample - b.sample).slice(0, size.perCluster);
  return { selected: members.flatMap(nearest), centres };
};

function capacity({ clusters, perCluster }: BufferSize, samples: number): number {
  return Math.min(samples, clusters * perCluster);
}

function aroundMean(features: FeatureTable, samples: Iterable<number>): Selection {
  const centres = meanFeature(features);
  const selected = Array.from(samples, (sample) => ({
    sample,
    cluster: 0,
    distance: distanceTo(features, sample, centres, 0),
  }));
  return { selected, centres };
}

/** As many samples as k-means would keep, drawn without replacement. */
const random: Select = async ({ features, size, seed, stage }) => {
  const order = new Draws(seed, stage, 0, Purpose.kmeans).shuffle(features.samples);
  return aroundMean(features, order.subarray(0, capacity(size, features.samples)));
};

/** As many samples as k-means would keep, in the order of herding. */
const byHerding: Select = async ({ features, size, onProgress }) => {
  const count = capacity(size, features.samples);
  return aroundMean(features, await herding(features, count, onProgress));
};

export const selectionMethods: Record<SelectionMethod, Select> = {
  kmeans,
  random,
  herding: byHerding,
};
