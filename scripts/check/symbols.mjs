/**
 * Checks that the built binaries load on RHEL 9 and Ubuntu 22.04: no symbol newer than those systems' libraries, no run
 * path, and no library linked that is not theirs or LibTorch's.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { binaries } from "../setup/native.mjs";

const newest = { GLIBC: [2, 34], GLIBCXX: [3, 4, 29], CXXABI: [1, 3, 13], GCC: [12, 0] };
const libraries =
  /^(libtorch_cpu|libc10|libtorch_cuda|libc10_cuda|libcudart|libstdc\+\+|libm|libgcc_s|libgomp|libc|libdl|libpthread|ld-linux-x86-64)\.so/;

/** @param {number[]} a @param {number[]} b */
function newer(a, b) {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** Problems in what `readelf --dynamic --version-info` prints. @param {string} name @param {string} text */
export function symbolProblems(name, text) {
  const problems = [];
  const versions = new Set(
    [...text.matchAll(/Name: (GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)/g)].map(
      ([, family, version]) => `${family} ${version}`,
    ),
  );
  for (const entry of versions) {
    const [family, version] = /** @type {[keyof typeof newest, string]} */ (entry.split(" "));
    if (newer(version.split(".").map(Number), newest[family])) {
      problems.push(
        `${name} needs ${family} ${version}; the newest allowed is ${newest[family].join(".")}`,
      );
    }
  }
  for (const [, library = ""] of text.matchAll(/\(NEEDED\)[^[]*\[([^\]]+)\]/g)) {
    if (!libraries.test(library)) problems.push(`${name} is linked with ${library}`);
  }
  if (/\((RPATH|RUNPATH)\)/.test(text)) problems.push(`${name} has a run path`);
  if (versions.size === 0) problems.push(`${name}: readelf showed no versions`);
  return problems;
}

/** @param {string} file */
export function binaryProblems(file) {
  if (!existsSync(file)) return [`${file} does not exist`];
  const text = execFileSync("readelf", ["--wide", "--dynamic", "--version-info", file], {
    encoding: "utf8",
  });
  return symbolProblems(basename(file), text);
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] !== undefined && relative(process.argv[1], self) === "") {
  const root = dirname(dirname(dirname(self)));
  const folders = ["build/native/Release", `prebuilds/linux-${process.arch}`];
  const folder = folders.map((name) => join(root, name)).find((path) => existsSync(path));
  const problems = binaries.flatMap((name) =>
    binaryProblems(join(folder ?? join(root, "build/native/Release"), name)),
  );
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
