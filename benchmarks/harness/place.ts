/**
 * Where the suite's files are, from source and compiled.
 *
 * Invariant: workers and the peers' scripts lie beside the code that runs, data in the package's folder.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../lib/version.js";

/** A file of this package's folder. */
export const inPackage = (path: string) => join(packageRoot(), path);

/** A script of `peers/`. */
export const peerScript = (name: string) =>
  fileURLToPath(new URL(`../peers/${name}.py`, import.meta.url));

/** A module of `contenders/`, in the form in which this one runs. */
export function contenderModule(name: string): string {
  const kind = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`../contenders/${name}.${kind}`, import.meta.url));
}
