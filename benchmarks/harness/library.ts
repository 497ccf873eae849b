/** The package as a user imports it: compiled, from source too. */
import { pathToFileURL } from "node:url";
import { inPackage } from "./place.js";

/** Address of its entry. */
export const libraryEntry = (): string =>
  import.meta.url.endsWith(".ts")
    ? pathToFileURL(inPackage("dist/index.js")).href
    : new URL("../../lib/index.js", import.meta.url).href;
