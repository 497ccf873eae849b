/**
 * The format of C++ and CUDA sources, as `.clang-format` has it.
 *
 *   node scripts/check/cpp-format.mjs [--write]
 */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { clangFormat } from "../setup/tools.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const patterns = ["*.cpp", "*.h", "*.cu", "*.cuh"];

/** @returns {string[]} tracked sources and those that are not ignored */
function sources() {
  const list = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...patterns];
  const { status, stdout } = spawnSync("git", list, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.split("\n").filter((name) => name !== "") : [];
}

const files = sources();
if (files.length === 0) {
  console.error("no C++ source was found; the check needs a git checkout");
  process.exit(1);
}
const how = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "--Werror"];
const options = { cwd: root, stdio: /** @type {const} */ ("inherit") };
const { status, error } = spawnSync(await clangFormat(), [...how, ...files], options);
if (error) console.error(error.message);
process.exit(status ?? 1);
