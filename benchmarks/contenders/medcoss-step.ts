/**
 * The worker of this package: builds a trainer and runs training steps on command, as `peers/step.py` does.
 *
 * Invariant: nothing but the step itself is timed, copying of its inputs included.
 */
import { createInterface } from "node:readline";
import { models } from "../../lib/config/models.js";
import { presets } from "../../lib/config/presets.js";
import { buildInfo, Trainer } from "../../lib/trainer.js";
import { type Kind, makeBatch, makeNoise, SEED } from "../cases/inputs.js";
import type { StepConfiguration } from "../cases/step.js";

const LEARNING_RATE = 1e-4;
const CHECK_LENGTHS = [100, 60];

type Request = { command: "check" } | { command: "steps"; count: number };

/** Loss and norm of all gradients in evaluation mode. */
async function check(trainer: Trainer, kind: Kind) {
  const noise = makeNoise(kind, "check", CHECK_LENGTHS.length);
  const batch = makeBatch(kind, "check", CHECK_LENGTHS);
  const key = { stage: 0, step: 0 };
  const probe = await trainer.probe(batch, key, { objective: "plain", ...(noise && { noise }) });
  const squares = Object.values(probe.gradients).map(({ l2 }) => l2 ** 2);
  return { loss: probe.loss, gradientNorm: Math.sqrt(squares.reduce((a, b) => a + b, 0)) };
}

async function* serve(configuration: StepConfiguration, requests: AsyncIterable<string>) {
  const { kind, lengths, precision, device, threads, seed } = configuration;
  await using trainer = await Trainer.create({
    size: models.base(),
    preset: presets[configuration.preset](),
    start: { kind: "formula", seed: SEED },
    precision,
    device,
    threads,
    seed,
  });
  const info = buildInfo();
  const emulated = precision === "bf16" && !info.bf16Hardware;
  const note = emulated
    ? "bf16 steps compute in fp32, because this processor has no bf16 arithmetic"
    : undefined;
  yield { ready: true, version: `LibTorch ${info.libtorch}`, threads: info.threads, note };
  const batch = makeBatch(kind, "step", lengths);
  let step = 0;
  for await (const line of requests) {
    const request: Request = JSON.parse(line);
    if (request.command === "check") {
      yield await check(trainer, kind);
      continue;
    }
    const seconds: number[] = [];
    let loss = Number.NaN;
    for (let i = 0; i < request.count; i++) {
      const start = performance.now();
      const options = { learningRate: LEARNING_RATE, objective: "plain" } as const;
      ({ loss } = await trainer.trainStep(batch, { stage: 0, step: step++ }, options));
      seconds.push((performance.now() - start) / 1000);
    }
    yield { seconds, loss };
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { value: first } = await lines.next();
const rest = { [Symbol.asyncIterator]: () => lines };
for await (const answer of serve(JSON.parse(first), rest)) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
