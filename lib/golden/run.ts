/**
 * Recomputes every value of a golden directory with this build and compares.
 *
 * Invariant: the network is the published base model in float32, with the published behaviour but none of its
 * randomness; a gradient or parameter that exists on one side only fails.
 */
import type { Batch } from "../batch.js";
import { models, PUBLISHED_VOCABULARY } from "../config/models.js";
import { nativeBehaviour, presets } from "../config/presets.js";
import type { NativeTrainerOptions } from "../native/types.js";
import { type ProbeOptions, Trainer } from "../trainer.js";
import { type Check, Checks } from "./checks.js";
import { type GoldenDirectory, readGolden } from "./directory.js";
import * as inputs from "./inputs.js";
import { checkKmeans } from "./kmeans.js";

export interface GoldenOptions {
  device?: string;
  onCheck?(check: Check): void;
}

export interface CaseSummary {
  case: string;
  checks: number;
  failed: number;
  /** The check that came nearest to its limit, or went farthest beyond it. */
  worst: Check;
}

export interface GoldenReport {
  path: string;
  passed: number;
  failed: number;
  cases: CaseSummary[];
  failures: Check[];
}

/** The teacher's weights come from a seed this much higher. */
const TEACHER_SEED_OFFSET = 1000;
const key = { stage: 0, step: 0 };
const visualKinds = ["image2d", "volume3d"] as const;
type VisualKind = (typeof visualKinds)[number];
type Kind = VisualKind | "text";

function trainerOptions(golden: GoldenDirectory, device: string): NativeTrainerOptions {
  const { adamw, seed } = golden.values;
  const size = {
    ...models.base(),
    vocabulary: PUBLISHED_VOCABULARY,
    textLength: golden.text.width,
  };
  const published = nativeBehaviour(presets.published());
  return {
    size,
    behaviour: {
      ...published,
      dropPath: 0,
      temporalPosition: "zero",
      teacherMode: "eval",
      featuresMode: "eval",
    },
    optimizer: {
      beta1: adamw?.betas[0] ?? 0.9,
      beta2: adamw?.betas[1] ?? 0.95,
      epsilon: adamw?.eps ?? 1e-8,
      weightDecay: adamw?.weight_decay ?? 0.05,
    },
    device,
    precision: "fp32",
    seed,
    stage: 0,
    start: { kind: "formula", seed },
    teacher: { kind: "formula", seed: seed + TEACHER_SEED_OFFSET },
  };
}

/** One comparison of a directory with a trainer that holds its weights. */
class Comparison {
  readonly #golden: GoldenDirectory;
  readonly #trainer: Trainer;
  readonly #checks: Checks;

  constructor(golden: GoldenDirectory, trainer: Trainer, checks: Checks) {
    this.#golden = golden;
    this.#trainer = trainer;
    this.#checks = checks;
  }

  #batch(kind: Kind, labelled: boolean): Batch {
    const size = models.base();
    if (kind === "text") return inputs.textBatch(this.#golden, labelled);
    if (kind === "image2d") return inputs.imageBatch(this.#golden, size.imageSize);
    return inputs.volumeBatch(this.#golden, size.volumeSize);
  }

  /** Masking noise [B,L] of a visual case. */
  #noise(kind: VisualKind): Float32Array {
    const { imageSize, volumeSize } = models.base();
    const edges = kind === "image2d" ? [imageSize, imageSize] : volumeSize;
    const patches = edges.reduce((product, edge) => product * (edge / 16), 1);
    const count = this.#golden.values.batch * patches;
    return inputs.draws(this.#golden, `noise.${kind}`, count);
  }

  /** Plain step of one input kind: loss, features, mask, predictions, gradients, pooled features. */
  async plain(kind: Kind): Promise<void> {
    const stored = this.#golden.values[kind];
    if (!stored) return;
    const tensor = (name: string) => this.#golden.tensors.get(`${kind}.${name}`);
    const rows = tensor("pred0_rows")?.shape[0] ?? 0;
    const probe = await this.#trainer.probe(this.#batch(kind, true), key, {
      objective: "plain",
      gradients: wanted(stored.grads),
      ...(kind !== "text" && { noise: this.#noise(kind), predictedRows: rows }),
    });
    const pooled = await this.#trainer.features(this.#batch(kind, false), key);
    const checks = this.#checks;
    checks.relative(kind, "loss", probe.loss, stored.loss);
    checks.moments(kind, probe.encoded, stored.feature_mean, stored.feature_std);
    const found = { encoded: probe.encoded, pred0_rows: probe.predicted, pooled };
    for (const [name, got] of Object.entries(found)) {
      const want = tensor(name);
      if (want) checks.features(kind, name, got, want);
    }
    const mask = tensor("mask");
    if (mask) checks.equal(kind, "mask", probe.mask, mask.data);
    checks.gradients(kind, probe.gradients, stored.grads);
  }

  /** Replay step: distillation of mixed samples. */
  async distilled(kind: Kind): Promise<void> {
    const stored = this.#golden.values[`distill_${kind}`];
    if (!stored) return;
    const { batch } = this.#golden.values;
    const draws: Partial<ProbeOptions> =
      kind === "text"
        ? { keep: inputs.keptTokens(this.#golden) }
        : {
            noise: this.#noise(kind),
            lambda: inputs.draws(this.#golden, `lambda.${kind}`, batch),
          };
    const probe = await this.#trainer.probe(this.#batch(kind, false), key, {
      objective: "replay",
      partner: inputs.reversed(batch),
      gradients: wanted(stored.grads),
      ...draws,
    });
    this.#checks.relative(`distill_${kind}`, "loss", probe.loss, stored.loss);
    this.#checks.gradients(`distill_${kind}`, probe.gradients, stored.grads);
  }

  /** Optimiser steps on the image case; changes the trainer's weights. */
  async adamw(): Promise<void> {
    const stored = this.#golden.values.adamw;
    if (!stored) return;
    const batch = this.#batch("image2d", false);
    const noise = this.#noise("image2d");
    for (const [step, loss] of stored.losses.entries()) {
      const result = await this.#trainer.trainStep(
        batch,
        { stage: 0, step },
        { learningRate: stored.lr, objective: "plain", noise },
      );
      this.#checks.relative("adamw", `loss before step ${step + 1}`, result.loss, loss);
    }
    const norms = await this.#trainer.parameterNorms();
    for (const [name, want] of Object.entries(stored.after)) {
      this.#checks.relative("adamw", `norm of ${name}`, norms[name] ?? Number.NaN, want);
    }
  }
}

function wanted(
  gradients: Record<string, { at: number[] }>,
): Array<{ name: string; at: number[] }> {
  return Object.entries(gradients).map(([name, { at }]) => ({ name, at }));
}

/** Checks per case, in the order of their first check. */
function summarise(path: string, all: readonly Check[]): GoldenReport {
  const cases = new Map<string, CaseSummary>();
  for (const check of all) {
    const summary = cases.get(check.case);
    if (!summary) {
      cases.set(check.case, {
        case: check.case,
        checks: 1,
        failed: check.passed ? 0 : 1,
        worst: check,
      });
      continue;
    }
    summary.checks++;
    if (!check.passed) summary.failed++;
    if (Number.isNaN(check.share) || check.share > summary.worst.share) summary.worst = check;
  }
  const failures = all.filter((check) => !check.passed);
  const passed = all.length - failures.length;
  return { path, passed, failed: failures.length, cases: [...cases.values()], failures };
}

/**
 * Recomputes and compares everything that `path` stores.
 *
 * @throws MedcossError where the directory cannot be read; deviations are in the report.
 */
export async function runGolden(path: string, options: GoldenOptions = {}): Promise<GoldenReport> {
  const golden = await readGolden(path);
  const checks = new Checks(options.onCheck);
  const device = options.device ?? "cpu";
  const trainer = await Trainer.create(trainerOptions(golden, device));
  try {
    const comparison = new Comparison(golden, trainer, checks);
    const kinds: Kind[] = [...visualKinds, "text"];
    for (const kind of kinds) await comparison.plain(kind);
    for (const kind of kinds) await comparison.distilled(kind);
    await comparison.adamw();
  } finally {
    await trainer.close();
  }
  await checkKmeans(golden, checks, device);
  return summarise(path, checks.all);
}
