/** This package's worker of the step case, as `peers/step.py` is the peer's. */
import { models } from "../../lib/config/models.js";
import { presets } from "../../lib/config/presets.js";
import { buildInfo, Trainer } from "../../lib/trainer.js";
import { type Kind, makeBatch, makeNoise, SEED } from "../cases/inputs.js";
import type { StepConfiguration } from "../cases/step.js";
import { type Contestant, serve, timed } from "./serve.js";

const LEARNING_RATE = 1e-4;
const CHECK_LENGTHS = [100, 60];

/** Loss and norm of all gradients in evaluation mode. */
async function check(trainer: Trainer, kind: Kind) {
  const noise = makeNoise(kind, "check", CHECK_LENGTHS.length);
  const batch = makeBatch(kind, "check", CHECK_LENGTHS);
  const key = { stage: 0, step: 0 };
  const probe = await trainer.probe(batch, key, { objective: "plain", ...(noise && { noise }) });
  const squares = Object.values(probe.gradients).map(({ l2 }) => l2 ** 2);
  return { loss: probe.loss, gradientNorm: Math.sqrt(squares.reduce((a, b) => a + b, 0)) };
}

async function make(configuration: StepConfiguration): Promise<Contestant> {
  const { kind, lengths, precision, device, threads, seed } = configuration;
  const trainer = await Trainer.create({
    size: models.base(),
    preset: presets[configuration.preset](),
    start: { kind: "formula", seed: SEED },
    precision,
    device,
    threads,
    seed,
  });
  const batch = makeBatch(kind, "step", lengths);
  const options = { learningRate: LEARNING_RATE, objective: "plain" } as const;
  const emulated = precision === "bf16" && !buildInfo().bf16Hardware;
  return {
    check: () => check(trainer, kind),
    step: (step) => timed(() => trainer.trainStep(batch, { stage: 0, step }, options)),
    note: () =>
      emulated
        ? "bf16 steps compute in fp32, because this processor has no bf16 arithmetic"
        : undefined,
    close: () => trainer.close(),
  };
}

await serve(make);
