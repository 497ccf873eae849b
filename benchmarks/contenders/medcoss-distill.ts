/** This package's worker of the distillation case. */
import { configureThreads, featureDistance, formula } from "../../lib/trainer.js";
import type { DistillConfiguration } from "../cases/distill.js";
import { SEED } from "../cases/inputs.js";
import { type Contestant, serve } from "./serve.js";

async function make(configuration: DistillConfiguration): Promise<Contestant> {
  const { shape, lengths, passes, threads } = configuration;
  configureThreads(threads);
  const [batch, length, width] = shape;
  const values = (name: string) => Float32Array.from(formula(name, batch * length * width, SEED));
  const real = Uint8Array.from({ length: batch * length }, (_, i) =>
    i % length < (lengths?.[Math.floor(i / length)] ?? length) ? 1 : 0,
  );
  const given = { student: values("student"), teacher: values("teacher"), shape };
  const options = { ...given, ...(lengths && { real }) };
  return {
    async check() {
      const { loss, gradient } = await featureDistance(options);
      return { loss, gradientNorm: Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0)) };
    },
    async step() {
      let seconds = 0;
      for (let i = 0; i < passes; i++) seconds += (await featureDistance(options)).seconds;
      return seconds;
    },
  };
}

await serve(make);
