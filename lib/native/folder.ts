/** Where the native binaries are. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { MedcossError } from "../errors.js";
import { packageRoot } from "../version.js";

/** File name of the addon on LibTorch. */
export const ADDON = "medcoss.node";

/** Where binaries may be, in order of preference, relative to the package. */
export const binaryFolders = ["build/native/Release", "prebuilds/linux-x64"] as const;

/** The folder that holds the addon: the one that MEDCOSS_BINARIES names, else a local build, else the prebuilt one. */
export function findBinaries(root = packageRoot(), named = process.env.MEDCOSS_BINARIES): string {
  const tried = named ? [resolve(named)] : binaryFolders.map((folder) => join(root, folder));
  const found = tried.find((folder) => existsSync(join(folder, ADDON)));
  if (found === undefined) throw new MedcossError("E_ADDON_MISSING", { tried: tried.join(", ") });
  return found;
}
