/**
 * LibTorch for the rest of the library: where it is, or a coded error that tells every place tried.
 */
import { MedcossError } from "../errors.js";
import type { Environment, Libtorch } from "./libtorch/find.mjs";
import { searchLibtorch } from "./libtorch/find.mjs";
import { LIBTORCH_VERSION } from "./libtorch/pins.mjs";

export type { Libtorch } from "./libtorch/find.mjs";
export { LIBTORCH_VERSION } from "./libtorch/pins.mjs";

/**
 * The LibTorch that this process is to use.
 *
 * @throws MedcossError E_LIBTORCH_VERSION where only other releases were found, E_LIBTORCH_MISSING where none was
 */
export function findLibtorch(env: Environment = process.env): Libtorch {
  const { found, tried } = searchLibtorch(env);
  if (found) return found;
  const other = tried.find((entry) => entry.version !== undefined);
  if (other?.version !== undefined) {
    const values = { found: other.version, path: other.path, version: LIBTORCH_VERSION };
    throw new MedcossError("E_LIBTORCH_VERSION", values);
  }
  const places = tried.map(({ place, path, problem }) => `${place} (${path}: ${problem})`);
  throw new MedcossError("E_LIBTORCH_MISSING", {
    version: LIBTORCH_VERSION,
    tried: places.join("; "),
  });
}
