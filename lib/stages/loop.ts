/**
 * The training loop of one stage: steps, metric rows, validation and checkpoints.
 *
 * Invariant: whatever stops the loop between two steps, the checkpoint and the rows up to its step are enough to go on
 * as if nothing had happened. On a GPU a step is asked for while the one before it runs, but for steps after which
 * something else is due.
 */

import type { Training } from "../config/resolve.js";
import { learningRateAt } from "../config/schedule.js";
import { MedcossError } from "../errors.js";
import type { Recorder } from "../metrics/recorder.js";
import type { Tally } from "../metrics/tally.js";
import type { StepResult, Trainer } from "../trainer.js";
import type { Item, ItemSource } from "./items.js";
import type { Hooks, MetricRow } from "./types.js";
import type { Validation } from "./validation.js";

export interface Loop {
  stage: number;
  modality: string;
  training: Training;
  trainer: Trainer;
  items: ItemSource;
  validation?: Validation;
  recorder: Recorder;
  /** Holds the rows that were kept when the stage goes on. */
  tally: Tally;
  /** Steps already done. */
  from: number;
  /** Steps of the whole stage. */
  steps: number;
  /** Writes a checkpoint of the state after `step` steps and returns its path. */
  save(step: number): Promise<string>;
  hooks: Hooks;
}

/** A step that was asked for. */
interface Asked {
  item: Item;
  lr: number;
  result: Promise<StepResult>;
}

/** What changes while the loop runs. */
interface Progress {
  /** The step that the GPU works on. */
  running?: Asked;
  step: number;
  savedAt: number;
  savedTime: number;
  /** Since the last row: samples, and when it was written. */
  samples: number;
  rowTime: number;
  waitMs: number;
  nonFinite: number;
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);

function epochOf(loop: Loop, step: number): number {
  return Math.ceil(step / (loop.items.stepsPerEpoch ?? loop.steps));
}

async function record(loop: Loop, row: MetricRow): Promise<MetricRow> {
  await loop.recorder.write(row);
  loop.tally.add(row);
  loop.hooks.onStep?.(row);
  return row;
}

async function save(loop: Loop, progress: Progress): Promise<string> {
  await loop.recorder.flush();
  const path = await loop.save(progress.step);
  progress.savedAt = progress.step;
  progress.savedTime = Date.now();
  return path;
}

async function stopIfAsked(loop: Loop, progress: Progress): Promise<void> {
  if (!loop.hooks.signal?.aborted) return;
  const path = await save(loop, progress);
  throw new MedcossError("E_INTERRUPTED", { path }, { cause: loop.hooks.signal.reason });
}

function ask(loop: Loop, item: Item): Asked {
  const { training, stage, steps } = loop;
  const lr = learningRateAt(item.step, { horizon: steps, ...training.learningRate });
  const options = { learningRate: lr, objective: item.objective };
  const result = loop.trainer.trainStep(item.batch, { stage, step: item.step }, options);
  // Whoever waits for it is told of a failure; it must not end the process before.
  result.catch(() => {});
  return { item, lr, result };
}

/** Row of a step when it is done, or undefined where it is not logged. */
async function settle(
  loop: Loop,
  progress: Progress,
  { item, lr, result: asked }: Asked,
): Promise<MetricRow | undefined> {
  const { training, stage, steps } = loop;
  const result = await asked;
  progress.step = item.step + 1;
  progress.samples += result.samples;
  progress.waitMs += item.waitMs;
  const loss = result.skipped ? null : finite(result.loss);
  progress.nonFinite = loss === null ? progress.nonFinite + 1 : 0;
  if (loss !== null && progress.step % training.logEvery !== 0 && progress.step !== steps) return;
  const now = performance.now();
  const seconds = Math.max(now - progress.rowTime, 1e-3) / 1000;
  const row: MetricRow = {
    time: new Date().toISOString(),
    stage,
    modality: item.modality,
    kind: item.objective,
    epoch: epochOf(loop, progress.step),
    step: progress.step,
    loss,
    lr,
    samplesPerSecond: progress.samples / seconds,
    gradientNorm: finite(result.gradientNorm),
    waitMs: progress.waitMs,
  };
  Object.assign(progress, { samples: 0, waitMs: 0, rowTime: now });
  return record(loop, row);
}

function refuseNonFinite(loop: Loop, progress: Progress): void {
  if (progress.nonFinite < loop.training.nonFiniteLimit) return;
  throw new MedcossError("E_NON_FINITE", {
    count: progress.nonFinite,
    step: progress.step,
    stage: loop.modality,
    samples: loop.items.samplesOf(progress.step - 1),
  });
}

function epochEnds(loop: Loop, step: number): boolean {
  return step === loop.steps || step % (loop.items.stepsPerEpoch ?? loop.steps) === 0;
}

function validationDue(loop: Loop, step: number): boolean {
  if (!loop.validation || loop.tally.validatedAt(step)) return false;
  const every = loop.training.validateEvery;
  if (step === 0 || step === loop.steps) return true;
  return every === undefined ? epochEnds(loop, step) : step % every === 0;
}

async function validate(loop: Loop, progress: Progress): Promise<MetricRow | undefined> {
  if (!loop.validation || !validationDue(loop, progress.step)) return undefined;
  const result = await loop.validation.run(loop.trainer, () => stopIfAsked(loop, progress));
  const row: MetricRow = {
    time: new Date().toISOString(),
    stage: loop.stage,
    modality: loop.modality,
    kind: "validation",
    epoch: epochOf(loop, progress.step),
    step: progress.step,
    loss: finite(result.loss),
    lr: learningRateAt(progress.step, { horizon: loop.steps, ...loop.training.learningRate }),
    samplesPerSecond: result.samplesPerSecond,
    gradientNorm: null,
    waitMs: result.waitMs,
  };
  progress.rowTime = performance.now();
  return record(loop, row);
}

function reportEpoch(loop: Loop, step: number, validation: MetricRow | undefined): void {
  if (!loop.hooks.onEpoch || step === 0 || !epochEnds(loop, step)) return;
  loop.hooks.onEpoch({
    stage: loop.stage,
    modality: loop.modality,
    epoch: epochOf(loop, step),
    step,
    trainingLoss: loop.tally.epochLoss,
    validationLoss: validation?.loss ?? undefined,
  });
}

function checkpointDue(loop: Loop, progress: Progress, step: number): boolean {
  const { minutes, steps } = loop.training.checkpoint;
  const byTime = Date.now() - progress.savedTime >= minutes * 60_000;
  const byStep = steps !== undefined && step % steps === 0;
  return byTime || byStep || step === loop.steps;
}

/** Whether the next step has to wait until this one is done and what follows it too. */
function restsAfter(loop: Loop, progress: Progress, step: number): boolean {
  return (
    loop.training.device === "cpu" ||
    loop.hooks.signal?.aborted === true ||
    epochEnds(loop, step) ||
    validationDue(loop, step) ||
    checkpointDue(loop, progress, step)
  );
}

async function saveIfDue(loop: Loop, progress: Progress): Promise<void> {
  if (!checkpointDue(loop, progress, progress.step) || progress.savedAt === progress.step) return;
  await save(loop, progress);
  progress.rowTime = performance.now();
}

/** Waits for a step that was asked for. */
async function* finish(
  loop: Loop,
  progress: Progress,
  asked: Asked | undefined,
): AsyncGenerator<MetricRow> {
  if (!asked) return;
  const row = await settle(loop, progress, asked);
  if (progress.running === asked) progress.running = undefined;
  if (row) yield row;
  refuseNonFinite(loop, progress);
}

async function* steps(loop: Loop, progress: Progress): AsyncGenerator<MetricRow> {
  const start = await validate(loop, progress);
  if (start) yield start;
  await stopIfAsked(loop, progress);
  progress.rowTime = performance.now();
  if (loop.from < loop.steps) {
    for await (const item of loop.items.items(loop.from, loop.steps)) {
      const before = progress.running;
      const asked = ask(loop, item);
      progress.running = asked;
      yield* finish(loop, progress, before);
      if (!restsAfter(loop, progress, item.step + 1)) continue;
      yield* finish(loop, progress, asked);
      const checked = await validate(loop, progress);
      if (checked) yield checked;
      reportEpoch(loop, progress.step, checked);
      await stopIfAsked(loop, progress);
      await saveIfDue(loop, progress);
    }
  }
  if (progress.savedAt !== progress.step) await save(loop, progress);
}

/** Runs the loop and yields each row that is logged. Leaving it early saves a checkpoint. */
export async function* runLoop(loop: Loop): AsyncGenerator<MetricRow> {
  const progress: Progress = {
    step: loop.from,
    savedAt: loop.from === 0 ? -1 : loop.from,
    savedTime: Date.now(),
    samples: 0,
    rowTime: performance.now(),
    waitMs: 0,
    nonFinite: 0,
  };
  let left = true;
  try {
    yield* steps(loop, progress);
    left = false;
  } catch (error) {
    left = false;
    throw error;
  } finally {
    if (left) {
      for await (const _row of finish(loop, progress, progress.running));
      if (progress.savedAt !== progress.step) await save(loop, progress);
    }
  }
}
