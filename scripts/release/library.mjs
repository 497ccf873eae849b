/**
 * Compiles the library from nothing, twice: what is published must not depend on when or after what it was compiled.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../setup/digest.mjs";

/** @param {string} root */
function compile(root) {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const args = ["--project", "tsconfig.dist.json", "--incremental", "false"];
  const own = ["--tsBuildInfoFile", "null"];
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...args, ...own], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return digestOf(root, ["dist"]);
}

/** Problems; `dist/` is the second build. @param {string} root */
export function buildLibrary(root) {
  const [first, second] = [compile(root), compile(root)];
  const problems = first === second ? [] : ["Two builds of dist/ differ"];
  const main = readFileSync(join(root, "dist/cli/main.js"), "utf8");
  if (!main.startsWith("#!")) problems.push("dist/cli/main.js cannot be run as a program");
  return problems;
}
