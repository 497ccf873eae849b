/**
 * What a base trainer must hold between steps, whoever holds it: float32 parameters of all networks, and gradient and
 * two moments of every value that a step trains.
 *
 * Invariant: the counts are those of the plain peer's step.
 */
import type { Kind } from "./inputs.js";
import type { Objective } from "./options.js";

const FLOAT = 4;
const PARAMETERS = 199_205_635;
/** The teacher has neither decoder nor language head. */
const TEACHER = 132_330_240;

/** Values that a step of the corrected preset gives a gradient. */
export const trained: Record<Kind, Record<Objective, number>> = {
  image2d: { plain: 112_466_688, replay: 86_458_368 },
  volume3d: { plain: 119_089_152, replay: 91_373_568 },
  text: { plain: 162_006_019, replay: 123_416_832 },
};

export function stateBytes(kind: Kind, objective: Objective): number {
  const teacher = objective === "replay" ? TEACHER : 0;
  return FLOAT * (PARAMETERS + teacher + 3 * trained[kind][objective]);
}
