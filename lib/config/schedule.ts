/**
 * The learning rate as a pure function of the step.
 *
 * Invariant: depends on (step, horizon, peak, warm-up share) only, so a resumed run continues the same curve.
 */

export interface Schedule {
  /** Steps of the stage. */
  horizon: number;
  peak: number;
  /** Share of the horizon in which the rate rises. */
  warmup: number;
}

/** Steps of a stage: epochs x steps per epoch, capped by `maxSteps`. */
export function stageHorizon(epochs: number, stepsPerEpoch: number, maxSteps?: number): number {
  return Math.min(epochs * stepsPerEpoch, maxSteps ?? Number.POSITIVE_INFINITY);
}

/**
 * Rate of 0-based `step`: linear from 0 to the peak over the warm-up, then half a cosine to 0
 * (He et al., Masked Autoencoders, appendix A; set before every step).
 */
export function learningRateAt(step: number, schedule: Schedule): number {
  const progress = step / schedule.horizon;
  if (progress < schedule.warmup) return (schedule.peak * progress) / schedule.warmup;
  const angle = (Math.PI * (progress - schedule.warmup)) / (1 - schedule.warmup);
  return schedule.peak * 0.5 * (1 + Math.cos(angle));
}
