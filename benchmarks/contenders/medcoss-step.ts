/**
 * This package's worker of whole training steps, as `peers/step.py` is the plain peer's.
 *
 * Invariant: a timed step gets its batch as the loader makes it, and of several steps the next is handed over while one
 * runs, as a stage does it.
 */
import { models } from "../../lib/config/models.js";
import { presets } from "../../lib/config/presets.js";
import { loadBinding } from "../../lib/native/load.js";
import { buildInfo, formula, type ProbeOptions, Trainer } from "../../lib/trainer.js";
import {
  asStored,
  type Kind,
  keptRows,
  makeBatch,
  makeNoise,
  SEED,
  TEXT_LENGTH,
} from "../cases/inputs.js";
import type { StepConfiguration } from "../cases/step.js";
import { type Contestant, type Places, serve, timed } from "./serve.js";

const LEARNING_RATE = 1e-4;

const floats = (name: string, count: number) => Float32Array.from(formula(name, count, SEED));

/** Every sample mixed with the one at the same place from the end. */
function mixing(kind: Kind, samples: number) {
  const partner = Int32Array.from({ length: samples }, (_, i) => samples - 1 - i);
  if (kind !== "text") return { partner, lambda: floats("check.lambda", samples) };
  const keep = Uint8Array.from(floats("check.keep", samples * TEXT_LENGTH), (x) => Number(x < 0.4));
  return { partner, keep };
}

/** The check's batch in evaluation mode. */
function probe(
  trainer: Trainer,
  { kind, objective, checkLengths }: StepConfiguration,
  gradients: ProbeOptions["gradients"] = [],
) {
  const samples = checkLengths.length;
  const noise = makeNoise(kind, "check", samples);
  const draws = { ...(noise && { noise }), ...(objective === "replay" && mixing(kind, samples)) };
  const batch = makeBatch(kind, "check", checkLengths);
  return trainer.probe(batch, { stage: 0, step: 0 }, { objective, gradients, ...draws });
}

/** Loss and norm of all gradients. */
async function check(trainer: Trainer, configuration: StepConfiguration) {
  const { loss, gradients } = await probe(trainer, configuration);
  const squares = Object.values(gradients).map(({ l2 }) => l2 ** 2);
  return { loss, gradientNorm: Math.sqrt(squares.reduce((a, b) => a + b, 0)) };
}

/** Gradients at the places that are asked for. */
async function gradientsAt(trainer: Trainer, configuration: StepConfiguration, places: Places) {
  const wanted = Object.entries(places).map(([name, { at }]) => ({ name, at }));
  return (await probe(trainer, configuration, wanted)).gradients;
}

async function make(configuration: StepConfiguration): Promise<Contestant> {
  const { kind, objective, lengths, precision, device, threads, seed, repeat } = configuration;
  const size = models.base();
  const taught = objective === "replay" && !configuration.givenTargets;
  const trainer = await Trainer.create({
    ...{ size, preset: presets[configuration.preset](), precision, device, threads, seed },
    start: { kind: "formula", seed: SEED },
    ...(taught && { teacher: { kind: "formula", seed: SEED + 1 } as const }),
  });
  const batch = asStored(makeBatch(kind, "step", lengths));
  const targets = () => floats("targets", lengths.length * keptRows[kind] * size.encoderWidth);
  const given = configuration.givenTargets && { targets: targets() };
  const options = { learningRate: LEARNING_RATE, objective, ...given };
  const emulated = device === "cpu" && precision === "bf16" && !buildInfo().bf16Hardware;
  const step = (number: number) => trainer.trainStep(batch, { stage: 0, step: number }, options);
  return {
    check: () => check(trainer, configuration),
    gradients: (places) => gradientsAt(trainer, configuration, places),
    step: async (turn) => {
      const seconds = await timed(async () => {
        let running = step(turn * repeat);
        for (let i = 1; i < repeat; i++) {
          const next = step(turn * repeat + i);
          await running;
          running = next;
        }
        await running;
      });
      return seconds / repeat;
    },
    peakDeviceBytes: () =>
      device === "cpu"
        ? undefined
        : loadBinding().peakCudaMemory(Number(device.split(":")[1] ?? "0")),
    note: () =>
      emulated
        ? "bf16 steps compute in fp32, because this processor has no bf16 arithmetic"
        : undefined,
    close: () => trainer.close(),
  };
}

await serve(make);
