/**
 * The worker of the crossing case: very short calls from JavaScript into native code, of this package and of Node.js.
 *
 * Invariant: calls do next to nothing natively, so their time is the way there and back.
 */
import { randomFill, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { configureThreads, featureDistance, formula } from "../../lib/trainer.js";
import type { CrossingConfiguration } from "../cases/crossing.js";
import { type Contestant, serve, timed } from "./serve.js";

const fill = promisify<Buffer, Buffer>(randomFill);
const bytes = Buffer.alloc(8);
const shape: [number, number, number] = [1, 1, 1];
const features = { student: Float32Array.of(1), teacher: Float32Array.of(2), shape };

/** One call each; those that wait return a promise. */
const calls: Record<CrossingConfiguration["call"], () => unknown> = {
  "medcoss call": () => formula("x", 1, 0),
  "medcoss promise": () => featureDistance(features),
  "node call": () => timingSafeEqual(bytes, bytes),
  "node promise": () => fill(bytes),
};

async function make({ call, count, threads }: CrossingConfiguration): Promise<Contestant> {
  configureThreads(threads);
  const work = calls[call];
  const waits = call.endsWith("promise");
  return {
    check: async () => ({}),
    step: () =>
      timed(async () => {
        for (let i = 0; i < count; i++) waits ? await work() : work();
      }),
  };
}

await serve(make);
