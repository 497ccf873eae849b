/** A buffer of two clusters, three and two samples, in which every value is another. */
import type { Buffer } from "../../lib/replay/buffer-file.js";

export function handMade(changes: Partial<Buffer> = {}): Buffer {
  return {
    version: 1,
    modality: "xray",
    kind: "image2d",
    method: "kmeans",
    seed: 3,
    stage: 2,
    checkpoint: "ab".repeat(32),
    data: `${"0".repeat(64)}:100+10`,
    from: 100,
    recordBytes: 1000,
    share: 0.05,
    centreShare: 0.02,
    clusters: 2,
    perCluster: 3,
    width: 3,
    centres: Float32Array.from([1, -0.1, 3e-8, 4e9, 0.5, 6]),
    samples: [
      { record: 7, cluster: 0, distance: 0.25 },
      { record: 3, cluster: 0, distance: 0.5 },
      { record: 9, cluster: 0, distance: 4 },
      { record: 1, cluster: 1, distance: 0.125 },
      { record: 8, cluster: 1, distance: 2 },
    ],
    ...changes,
  };
}
