/**
 * Which modality each step of a stage takes its batch from: pure functions of (seed, stage, epoch).
 *
 * Invariant: every epoch holds each modality's items as often as its count says, in random order; the last epoch of a
 * capped stage holds the same mixture in small.
 */
import { Draws, Purpose } from "../random.js";

/** A step's place: whose batch it takes, and how many of that modality's batches came before. */
export interface Turn {
  /** 0 for the stage's own modality, then the replayed ones in order. */
  source: number;
  ordinal: number;
}

export interface ItemCounts {
  /** Batches of the stage's own modality in an epoch. */
  own: number;
  /** Batches of each replayed modality in an epoch. */
  replayed: readonly number[];
}

export interface ItemOrder {
  stepsPerEpoch: number;
  steps: number;
  /** Steps of each source. */
  counts: number[];
  turn(step: number): Turn;
}

const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);

/** The source of each item of an epoch. */
function shuffled(counts: readonly number[], seed: number, stage: number, epoch: number): number[] {
  const sources = counts.flatMap((count, source) => new Array<number>(count).fill(source));
  const order = new Draws(seed, stage, epoch, Purpose.itemOrder).shuffle(sources.length);
  return Array.from(order, (at) => sources[at] as number);
}

function numbered(sources: readonly number[], before: readonly number[]): Turn[] {
  const next = [...before];
  return sources.map((source) => {
    const ordinal = next[source] as number;
    next[source] = ordinal + 1;
    return { source, ordinal };
  });
}

/** The order of a stage with `ownSteps` steps on its own modality; replay comes on top of them. */
export function itemOrder(
  counts: ItemCounts,
  ownSteps: number,
  seed: number,
  stage: number,
): ItemOrder {
  const whole = [counts.own, ...counts.replayed];
  const stepsPerEpoch = total(whole);
  const epochs = Math.floor(ownSteps / counts.own);
  const rest = ownSteps - epochs * counts.own;
  const part = [rest, ...counts.replayed.map((count) => Math.ceil((count * rest) / counts.own))];
  const each = whole.map((count, source) => count * epochs + (part[source] as number));
  let cached: { epoch: number; turns: Turn[] } | undefined;
  const turnsOf = (epoch: number): Turn[] => {
    if (cached?.epoch === epoch) return cached.turns;
    const before = whole.map((count) => count * epoch);
    const sources = shuffled(epoch < epochs ? whole : part, seed, stage, epoch);
    const turns = numbered(sources, before);
    cached = { epoch, turns };
    return turns;
  };
  return {
    stepsPerEpoch,
    steps: total(each),
    counts: each,
    turn: (step) => {
      const epoch = Math.floor(step / stepsPerEpoch);
      return turnsOf(epoch)[step - epoch * stepsPerEpoch] as Turn;
    },
  };
}
