/** This package's worker of the replay case. */
import { models } from "../../lib/config/models.js";
import { presets } from "../../lib/config/presets.js";
import { formula, Trainer } from "../../lib/trainer.js";
import { type Kind, makeBatch, makeNoise, SEED, TEXT_LENGTH } from "../cases/inputs.js";
import type { ReplayConfiguration } from "../cases/replay.js";
import { type Contestant, serve, timed } from "./serve.js";

const LEARNING_RATE = 1e-4;
const CHECK_LENGTHS = [100, 60];
const KEPT: Record<Kind, number> = { image2d: 50, volume3d: 37, text: TEXT_LENGTH };

const floats = (name: string, count: number) => Float32Array.from(formula(name, count, SEED));

/** Loss and norm of all gradients in evaluation mode, every sample mixed with the other one. */
async function check(trainer: Trainer, kind: Kind) {
  const samples = CHECK_LENGTHS.length;
  const noise = makeNoise(kind, "check", samples);
  const keep = Uint8Array.from(floats("check.keep", samples * TEXT_LENGTH), (x) => Number(x < 0.4));
  const mixing = kind === "text" ? { keep } : { lambda: floats("check.lambda", samples), noise };
  const probe = await trainer.probe(
    makeBatch(kind, "check", CHECK_LENGTHS),
    { stage: 0, step: 0 },
    { objective: "replay", partner: Int32Array.of(1, 0), ...mixing },
  );
  const squares = Object.values(probe.gradients).map(({ l2 }) => l2 ** 2);
  return { loss: probe.loss, gradientNorm: Math.sqrt(squares.reduce((a, b) => a + b, 0)) };
}

async function make(configuration: ReplayConfiguration): Promise<Contestant> {
  const { kind, lengths, precision, device, threads, givenTargets } = configuration;
  const size = models.base();
  const trainer = await Trainer.create({
    ...{ size, preset: presets[configuration.preset](), precision, device, threads },
    start: { kind: "formula", seed: SEED },
    ...(!givenTargets && { teacher: { kind: "formula", seed: SEED + 1 } as const }),
  });
  const batch = makeBatch(kind, "step", lengths);
  const targets = floats("targets", lengths.length * KEPT[kind] * size.encoderWidth);
  const options = { learningRate: LEARNING_RATE, objective: "replay" } as const;
  const given = givenTargets ? { ...options, targets } : options;
  return {
    check: () => check(trainer, kind),
    step: (step) => timed(() => trainer.trainStep(batch, { stage: 0, step }, given)),
    close: () => trainer.close(),
  };
}

await serve(make);
