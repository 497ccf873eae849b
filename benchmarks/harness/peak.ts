/**
 * The machine's peak: a product of large random matrices, timed between the rounds of what is measured.
 *
 * Invariant: in the precision and with the threads of the contenders, on their device, by the library that they share.
 */
import { peerWorker } from "../cases/commands.js";
import { Worker } from "./worker.js";

export type Precision = "fp32" | "bf16";

export class PeakMeter {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async start(device: string, threads: number): Promise<PeakMeter> {
    const [worker] = await Worker.start(peerWorker("peak", threads), { device, threads });
    return new PeakMeter(worker);
  }

  /** Of one sample, a fraction of a second long. */
  async tflops(precision: Precision): Promise<number> {
    const { tflops } = (await this.#worker.ask({ precision })) as { tflops: number };
    return tflops;
  }

  stop(): Promise<void> {
    return this.#worker.stop();
  }
}
