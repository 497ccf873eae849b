/**
 * LibTorch for the rest of the library: where it is, its installation, and coded errors for both.
 */
import { type ErrorCode, MedcossError } from "../errors.js";
import type { Environment, Libtorch, Tried } from "./libtorch/find.mjs";
import { searchLibtorch } from "./libtorch/find.mjs";
import type { InstallOptions } from "./libtorch/install.mjs";
import * as installation from "./libtorch/install.mjs";
import { LIBTORCH_VERSION } from "./libtorch/pins.mjs";
import { machinePip } from "./libtorch/pip.mjs";
import { Problem } from "./libtorch/problem.mjs";

export type { Libtorch } from "./libtorch/find.mjs";
export { LIBTORCH_VERSION } from "./libtorch/pins.mjs";

function notFound(tried: Tried[]): MedcossError {
  const named = tried[0]?.place === "MEDCOSS_LIBTORCH";
  const start = named ? "Correct MEDCOSS_LIBTORCH, or unset it and run" : "Run";
  const other = tried.find((entry) => entry.version !== undefined);
  if (other?.version !== undefined) {
    const values = { found: other.version, path: other.path, version: LIBTORCH_VERSION, start };
    return new MedcossError("E_LIBTORCH_VERSION", values);
  }
  const places = tried.map(({ place, path, problem }) => `${place} (${path}: ${problem})`);
  const values = { version: LIBTORCH_VERSION, tried: places.join("; "), start };
  return new MedcossError("E_LIBTORCH_MISSING", values);
}

/**
 * The LibTorch that this process is to use.
 *
 * @throws MedcossError E_LIBTORCH_VERSION where another release was found, E_LIBTORCH_MISSING where none was
 */
export function findLibtorch(env: Environment = process.env): Libtorch {
  const { found, tried } = searchLibtorch(env);
  if (found) return found;
  throw notFound(tried);
}

function codedError(error: unknown): unknown {
  if (!(error instanceof Problem)) return error;
  return new MedcossError(error.code as ErrorCode, error.values, { cause: error });
}

/** E_TOOL_MISSING where this machine has no pip to fetch LibTorch with; undefined where it has. */
export function missingPip(env: Environment = process.env): MedcossError | undefined {
  try {
    machinePip(env);
    return undefined;
  } catch (error) {
    return codedError(error) as MedcossError;
  }
}

async function coded<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw codedError(error);
  }
}

/**
 * Installs LibTorch into the cache folder, or finds it there.
 *
 * @throws MedcossError E_LIBTORCH_INSTALL or E_TOOL_MISSING
 */
export function installLibtorch(options: InstallOptions = {}): Promise<Libtorch> {
  return coded(() => installation.installLibtorch(options));
}

/** Removes what was installed into the cache folder; returns the removed paths. */
export function removeLibtorch(env: Environment = process.env): Promise<string[]> {
  return coded(() => installation.removeLibtorch(env));
}
