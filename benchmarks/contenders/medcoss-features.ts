/** This package's worker of the features case. */
import { models } from "../../lib/config/models.js";
import { presets } from "../../lib/config/presets.js";
import { Trainer } from "../../lib/trainer.js";
import type { FeaturesConfiguration } from "../cases/features.js";
import { makeBatch, SEED } from "../cases/inputs.js";
import { type Contestant, serve, timed } from "./serve.js";

async function make(configuration: FeaturesConfiguration): Promise<Contestant> {
  const { kind, lengths, precision, device, threads } = configuration;
  const trainer = await Trainer.create({
    ...{ size: models.base(), preset: presets.corrected(), precision, device, threads },
    start: { kind: "formula", seed: SEED },
  });
  const batch = makeBatch(kind, "step", lengths);
  return {
    async check() {
      const features = await trainer.features(batch);
      const first = Math.hypot(...features.slice(0, models.base().encoderWidth));
      return { norm: Math.sqrt(features.reduce((sum, x) => sum + x * x, 0)), first };
    },
    step: () => timed(() => trainer.features(batch)),
    close: () => trainer.close(),
  };
}

await serve(make);
