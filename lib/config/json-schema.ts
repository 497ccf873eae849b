/**
 * JSON Schemas of the configurations, for editors and other tools.
 */
import { z } from "zod";
import { behaviourSchema } from "./behaviour.js";
import { bufferSchema, embedSchema, encoderExportSchema, reconstructSchema } from "./features.js";
import { packSchema } from "./pack.js";
import { pretrainSchema, stageSchema } from "./training.js";

/** The zod schemas of all configurations. */
export const schemas = {
  pack: packSchema,
  pretrain: pretrainSchema,
  stage: stageSchema,
  buffer: bufferSchema,
  embed: embedSchema,
  reconstruct: reconstructSchema,
  encoderExport: encoderExportSchema,
  behaviour: behaviourSchema,
} as const;

/** JSON Schema (draft 2020-12) of what a caller may write. */
export function jsonSchema(name: keyof typeof schemas): Record<string, unknown> {
  return z.toJSONSchema(schemas[name], { io: "input", unrepresentable: "any" });
}
