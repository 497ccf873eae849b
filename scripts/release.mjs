/**
 * Makes what is published, in `release/`: the package with its prebuilt addon, a bill of materials, and their digests.
 *
 *   npm run release               from a clean checkout
 *   npm run release -- --dirty    with changes that are not committed, to try it
 *
 * Invariant: `release/` is there only when every step passed; everything that users need is named, so a missing binary
 * stops the release.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { searchLibtorch } from "../lib/native/libtorch/find.mjs";
import { packageProblems } from "./check/package.mjs";
import { binaryProblems } from "./check/symbols.mjs";
import { buildLibrary } from "./release/library.mjs";
import { copyPrebuilds, prebuildFolder } from "./release/prebuilds.mjs";
import { binaries } from "./setup/native.mjs";
import { say } from "./setup/report.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SIZE_LIMIT = 60e6;
const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** @param {string} command @param {string[]} args */
const run = (command, args) =>
  execFileSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });

/** @param {string[]} problems */
function refuse(problems) {
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

function checkCommitted() {
  const changes = run("git", ["status", "--porcelain"]).trim();
  if (changes !== "") refuse([`There are changes that are not committed:\n${changes}`]);
}

function checkBinaries() {
  const folder = prebuildFolder(root);
  refuse(binaries.flatMap((file) => binaryProblems(join(folder, file))));
  for (const file of binaries) {
    const bytes = readFileSync(join(folder, file));
    const places = [root, process.env.HOME].filter((place) => place && place.length > 5);
    const leak = places.find((place) => bytes.includes(/** @type {string} */ (place)));
    if (leak !== undefined) refuse([`${file} names the folder ${leak}`]);
  }
}

/** What npm does not know of, as it lies beside the addon. */
function jpegComponent() {
  const library = readFileSync(join(prebuildFolder(root), "libturbojpeg.so.0"), "latin1");
  const found = /libjpeg-turbo version (\d[\d.]*)/.exec(library)?.[1];
  if (found === undefined) throw new Error("libturbojpeg.so.0 does not say its version");
  const licenses = [{ license: { id: "BSD-3-Clause" } }, { license: { id: "IJG" } }];
  const purl = `pkg:generic/libjpeg-turbo@${found}`;
  return { type: "library", name: "libjpeg-turbo", version: found, licenses, purl };
}

/** Everything that `npm install` brings, as CycloneDX. @param {string} folder */
function writeBillOfMaterials(folder) {
  const args = ["sbom", "--sbom-format=cyclonedx", "--omit=dev", "--package-lock-only"];
  const bill = JSON.parse(run("npm", [...args, "--loglevel=error"]));
  // npm names the root after its folder.
  bill.metadata.component.name = name;
  bill.components.push(jpegComponent());
  const file = join(folder, `${name}-${version}.cdx.json`);
  writeFileSync(file, `${JSON.stringify(bill, undefined, 2)}\n`);
  return file;
}

/** @param {string} folder */
function writePackage(folder) {
  run("npm", ["pack", "--pack-destination", folder, "--loglevel=error", "--ignore-scripts"]);
  const file = join(folder, `${name}-${version}.tgz`);
  const { size } = statSync(file);
  if (size > SIZE_LIMIT) refuse([`${file} has ${size} bytes; the limit is ${SIZE_LIMIT}`]);
  return file;
}

/** @param {string} folder @param {string[]} files */
function writeDigests(folder, files) {
  const lines = files.map((file) => {
    const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
    return `${digest}  ${basename(file)}\n`;
  });
  writeFileSync(join(folder, "SHA256SUMS"), lines.join(""));
}

async function main() {
  if (!process.argv.includes("--dirty")) checkCommitted();
  const { found } = searchLibtorch();
  if (found === undefined) throw new Error("LibTorch was not found. Run: npm run setup");
  say("Prebuilt binaries ...");
  copyPrebuilds(root, found);
  checkBinaries();
  say("Library, twice ...");
  refuse(buildLibrary(root));
  say("Package ...");
  refuse(await packageProblems());
  const making = join(root, "build", "release");
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  const files = [writePackage(making), writeBillOfMaterials(making)];
  writeDigests(making, files);
  const final = join(root, "release");
  rmSync(final, { recursive: true, force: true });
  renameSync(making, final);
  for (const file of files) process.stdout.write(`${join(final, basename(file))}\n`);
}

await main().catch((error) => {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
