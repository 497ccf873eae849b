/**
 * Finds and loads the native addon, the one place where a binary enters the process.
 *
 * Invariant: LibTorch's libraries are opened by absolute path before the addon, which names them by soname only; so no
 * environment variable and no folder of the building machine matters.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { MedcossError } from "../errors.js";
import { ADDON, findBinaries } from "./folder.js";
import { findLibtorch } from "./libtorch.js";
import type { NativeBinding } from "./types.js";

interface Loader {
  /** Opens shared libraries in order; throws the dynamic linker's message for the first that fails. */
  preload(paths: string[]): void;
}

const LOADER = "medcoss_loader.node";
/** In the order in which they need each other. */
const LIBRARIES = ["libc10.so", "libtorch_cpu.so"];

/** Opens shared libraries in order, with the loader of a folder. Throws the dynamic linker's message. */
export function preload(folder: string, paths: string[]): void {
  const require = createRequire(import.meta.url);
  (require(join(folder, LOADER)) as Loader).preload(paths);
}

/** Loads the addon of a folder, and LibTorch before it. */
export function loadFrom(folder: string): NativeBinding {
  const require = createRequire(import.meta.url);
  const libtorch = findLibtorch();
  try {
    preload(
      folder,
      LIBRARIES.map((name) => join(libtorch.path, "lib", name)),
    );
    return require(join(folder, ADDON)) as NativeBinding;
  } catch (error) {
    const [problem = ""] = String((error as Error).message).split("\n");
    throw new MedcossError(
      "E_ADDON_LOAD",
      { path: join(folder, ADDON), problem },
      { cause: error },
    );
  }
}

let loaded: NativeBinding | undefined;

/**
 * The addon, loaded on the first call.
 *
 * @throws MedcossError E_ADDON_MISSING, E_LIBTORCH_MISSING, E_LIBTORCH_VERSION or E_ADDON_LOAD
 */
export function loadBinding(): NativeBinding {
  loaded ??= loadFrom(findBinaries());
  return loaded;
}
