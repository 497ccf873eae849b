/** Features of many samples in one array, and the sums over them that selection needs, in double precision. */

/** [samples, width], row-major. */
export interface FeatureTable {
  values: Float32Array;
  samples: number;
  width: number;
}

/** Euclidean distance of a sample to row `at` of `centres` [any, width]. */
export function distanceTo(
  { values, width }: FeatureTable,
  sample: number,
  centres: Float32Array,
  at: number,
): number {
  let sum = 0;
  for (let i = 0; i < width; i++) {
    const difference = (values[sample * width + i] as number) - (centres[at * width + i] as number);
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}

/** Mean over all samples [width]; zeros where there are none. */
export function meanFeature({ values, samples, width }: FeatureTable): Float32Array {
  const sums = new Float64Array(width);
  for (let sample = 0; sample < samples; sample++) {
    for (let i = 0; i < width; i++) {
      sums[i] = (sums[i] as number) + (values[sample * width + i] as number);
    }
  }
  return Float32Array.from(sums, (sum) => sum / Math.max(1, samples));
}

/** Inner product of a sample with `vector` [width]. */
export function dot(
  { values, width }: FeatureTable,
  sample: number,
  vector: Float32Array | Float64Array,
): number {
  const first = sample * width;
  const even = width - (width % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < even; i += 4) {
    a += (values[first + i] as number) * (vector[i] as number);
    b += (values[first + i + 1] as number) * (vector[i + 1] as number);
    c += (values[first + i + 2] as number) * (vector[i + 2] as number);
    d += (values[first + i + 3] as number) * (vector[i + 3] as number);
  }
  for (let i = even; i < width; i++) a += (values[first + i] as number) * (vector[i] as number);
  return a + b + (c + d);
}
