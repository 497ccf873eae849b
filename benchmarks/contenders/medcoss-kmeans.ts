/** This package's worker of the k-means case. */
import { readFileSync } from "node:fs";
import { configureThreads, kmeans } from "../../lib/trainer.js";
import type { KmeansConfiguration } from "../cases/kmeans.js";
import { type Contestant, serve, timed } from "./serve.js";

const CHECKED_ITERATIONS = 5;
/** Of the samples about so many are compared with float64. */
const CHECKED_SAMPLES = 1000;
const CLEAR = 1e-5;

class Kmeans implements Contestant {
  readonly #configuration: KmeansConfiguration;
  readonly #data: Float32Array;
  readonly #centres: Float32Array;
  #note: string | undefined;

  constructor(configuration: KmeansConfiguration) {
    configureThreads(configuration.threads);
    const { samples, dimensions: d, clusters, path } = configuration;
    const { buffer, byteOffset } = readFileSync(path);
    this.#configuration = configuration;
    this.#data = new Float32Array(buffer, byteOffset, samples * d);
    this.#centres = new Float32Array(clusters * d);
    for (let c = 0; c < clusters; c++) {
      const row = Math.floor((c * samples) / clusters);
      this.#centres.set(this.#data.subarray(row * d, (row + 1) * d), c * d);
    }
  }

  #run(maxIterations: number, tolerance: number, seed: number, given: boolean) {
    const { samples, dimensions, clusters, device } = this.#configuration;
    return kmeans({
      ...{ data: this.#data, samples, dimensions, clusters, seed, restarts: 1 },
      ...{ device, maxIterations, tolerance, ...(given && { centres: this.#centres }) },
    });
  }

  /** Throws unless labels are the nearest centres. */
  #checkLabels(labels: Int32Array, centres: Float32Array): void {
    const { samples, dimensions: d, clusters } = this.#configuration;
    for (let n = 0; n < samples; n += Math.ceil(samples / CHECKED_SAMPLES)) {
      const distances = Array.from({ length: clusters }, (_, c) => {
        let sum = 0;
        for (let i = 0; i < d; i++)
          sum += ((this.#data[n * d + i] as number) - (centres[c * d + i] as number)) ** 2;
        return sum;
      });
      const own = distances[labels[n] as number] as number;
      if (own > Math.min(...distances) * (1 + CLEAR)) throw new Error(`wrong label of sample ${n}`);
    }
  }

  async check() {
    const one = await this.#run(1, 0, 0, true);
    this.#checkLabels(one.labels, one.centres);
    const { inertia } = await this.#run(CHECKED_ITERATIONS, 0, 0, true);
    return { inertia };
  }

  async step(number: number): Promise<number> {
    const { task, iterations } = this.#configuration;
    let found: Awaited<ReturnType<typeof kmeans>> | undefined;
    const seconds = await timed(async () => {
      found =
        task === "fit"
          ? await this.#run(300, 1e-4, number, false)
          : await this.#run(iterations, 0, 0, true);
    });
    this.#note = `${task}: inertia ${found?.inertia.toPrecision(7)} after ${found?.iterations} iterations`;
    return seconds;
  }

  note(): string | undefined {
    return this.#note;
  }
}

await serve(async (configuration: KmeansConfiguration) => new Kmeans(configuration));
