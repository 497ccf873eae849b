import t from "tap";
import type { Batch, StepKey } from "../../lib/batch.js";
import type { Training } from "../../lib/config/resolve.js";
import type { Recorder } from "../../lib/metrics/recorder.js";
import { Tally } from "../../lib/metrics/tally.js";
import { type Loop, runLoop } from "../../lib/stages/loop.js";
import type { Hooks } from "../../lib/stages/types.js";
import type { StepResult, Trainer } from "../../lib/trainer.js";

const STEPS = 6;
const training = {
  device: "cuda",
  learningRate: { peak: 1e-3, warmup: 0 },
  logEvery: 1,
  checkpoint: { minutes: 60 },
  nonFiniteLimit: 2,
} as Training;

/** A stage whose trainer notes what it is asked for, and answers a little later. */
function staged(changes: Partial<Training>, hooks: Hooks = {}, loss = (_step: number) => 1) {
  const events: string[] = [];
  const trainer = {
    async trainStep(_batch: Batch, { step }: StepKey): Promise<StepResult> {
      events.push(`ask ${step}`);
      await new Promise((done) => setImmediate(done));
      events.push(`done ${step}`);
      return { loss: loss(step), gradientNorm: 1, skipped: false, samples: 2 };
    },
  };
  async function* items(from: number, to: number) {
    for (let step = from; step < to; step++)
      yield { objective: "plain" as const, modality: "ct", step, batch: {} as Batch, waitMs: 0 };
  }
  const loop: Loop = {
    stage: 1,
    modality: "ct",
    training: { ...training, ...changes },
    trainer: trainer as unknown as Trainer,
    items: { items, stepsPerEpoch: 4, steps: STEPS, ownSteps: STEPS, samplesOf: String },
    recorder: { async write() {}, async flush() {} } as unknown as Recorder,
    tally: new Tally(() => 2),
    from: 0,
    steps: STEPS,
    async save(step) {
      events.push(`save ${step}`);
      return "checkpoint";
    },
    hooks,
  };
  return { events, loop };
}

async function drain(loop: Loop): Promise<number[]> {
  const steps: number[] = [];
  for await (const { step } of runLoop(loop)) steps.push(step);
  return steps;
}

t.test("on a GPU the next step is asked for before the last is done", async (t) => {
  const { events, loop } = staged({});
  t.same(await drain(loop), [1, 2, 3, 4, 5, 6]);
  // Step 3 ends an epoch, step 5 the stage.
  t.same(events.slice(0, 8), [
    ...["ask 0", "ask 1", "done 0", "ask 2", "done 1", "ask 3", "done 2", "done 3"],
  ]);
  t.same(events.slice(8), ["ask 4", "ask 5", "done 4", "done 5", "save 6"]);
});

t.test("on the CPU it is not", async (t) => {
  const { events, loop } = staged({ device: "cpu" });
  await drain(loop);
  t.same(events.slice(0, 4), ["ask 0", "done 0", "ask 1", "done 1"]);
});

t.test("a checkpoint holds no step that comes after it", async (t) => {
  const { events, loop } = staged({ checkpoint: { minutes: 60, steps: 3 } });
  await drain(loop);
  t.ok(events.indexOf("save 3") < events.indexOf("ask 3"));
});

t.test("leaving early waits for the running step and saves it", async (t) => {
  const { events, loop } = staged({});
  for await (const { step } of runLoop(loop)) if (step === 1) break;
  t.same(events, ["ask 0", "ask 1", "done 0", "done 1", "save 2"]);
});

t.test("stopping is as exact", async (t) => {
  const abort = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 1 && abort.abort();
  const { events, loop } = staged({}, { signal: abort.signal, onStep });
  await t.rejects(drain(loop), { code: "E_INTERRUPTED" });
  t.same(events, ["ask 0", "ask 1", "done 0", "done 1", "save 2"]);
});

t.test("losses that are not finite end the stage, with a step still running", async (t) => {
  const { events, loop } = staged({}, {}, () => Number.NaN);
  await t.rejects(drain(loop), { code: "E_NON_FINITE", values: { step: 2 } });
  t.notOk(events.includes("save 3"));
});
