/**
 * Builds the addon against the LibTorch that is found, for checkouts and for installed packages alike.
 * `--sanitize` builds beside it with the address and undefined-behaviour sanitizers, `--sanitize=thread` with that of
 * data races.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { searchLibtorch } from "../lib/native/libtorch/find.mjs";
import { buildNative } from "./setup/native.mjs";
import { say } from "./setup/report.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string[]} args @returns {"address" | "thread" | undefined} */
function kindOf(args) {
  if (args.includes("--sanitize=thread")) return "thread";
  return args.includes("--sanitize") ? "address" : undefined;
}

const { found, tried } = searchLibtorch();
try {
  if (found === undefined) {
    const places = tried.map(({ path, problem }) => `${path}: ${problem}`).join("; ");
    throw new Error(`E_LIBTORCH_MISSING: ${places}. Run: npm run setup`);
  }
  await buildNative(root, found.path, kindOf(process.argv.slice(2)));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
