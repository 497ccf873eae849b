/** Configurations for tests of the data code. */
import { packSchema, type ResolvedPack } from "../../lib/config/pack.js";
import { parseConfig } from "../../lib/config/parse.js";

/** The configuration with all defaults and one source. */
export function packDefaults(changes: Record<string, unknown> = {}): ResolvedPack {
  const sources = [{ modality: "xray", recipe: "xray", path: "x" }];
  return parseConfig(packSchema, { out: "store", sources, ...changes });
}
