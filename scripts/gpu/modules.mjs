/**
 * Node.js and the production modules as one compressed archive, which Python can unpack.
 *
 * Invariant: an archive is made again only when Node.js or the lock file changed.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What runs: programs and what they read; no types, sources or documents. */
const RUNS = /\.(c?js|mjs|json|wasm|node|so(\.[\d.]+)?)$/;
/** Needed to build only. Readers of file formats stay, since the benchmarks' cases load them. */
const LEFT_OUT = /\/(node-addon-api|@rollup\/.*)$/;
/** Libraries that Node.js may need on a machine where nothing is installed. */
const SYSTEM = /^(lib(dl|stdc\+\+|m|gcc_s|pthread|c)|ld-linux-x86-64)\.so/;

/** @param {string} folder @param {string} archive */
export function compress(folder, archive) {
  const program = `
import sys, tarfile
def plain(entry):
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
    return entry
with tarfile.open(sys.argv[2], "w:xz", preset=6) as tar:
    tar.add(sys.argv[1], ".", filter=plain)
`;
  execFileSync("python3", ["-c", program, folder, archive], { stdio: "inherit" });
}

/** @param {string} root @returns {string[]} folders of the modules that users get */
function productionModules(root) {
  /** @type {{ packages: Record<string, { dev?: boolean, devOptional?: boolean }> }} */
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return Object.entries(packages)
    .filter(([name, { dev, devOptional }]) => name !== "" && !dev && !devOptional)
    .map(([name]) => name)
    .filter((name) => !LEFT_OUT.test(name) && existsSync(join(root, name)));
}

function checkNode() {
  const text = execFileSync("readelf", ["--wide", "--dynamic", process.execPath], {
    encoding: "utf8",
  });
  const needed = [...text.matchAll(/\(NEEDED\)[^[]*\[([^\]]+)\]/g)].map(([, name = ""]) => name);
  const other = needed.filter((name) => !SYSTEM.test(name));
  if (other.length === 0) return;
  const help = "Run this with the Node.js of nodejs.org";
  throw new Error(
    `This Node.js needs ${other.join(", ")}, which another machine may lack. ${help}`,
  );
}

/** @param {string} root @param {string} kept folder of what is used again @returns {string} the archive */
export function packModules(root, kept) {
  checkNode();
  const lock = readFileSync(join(root, "package-lock.json"));
  const digest = createHash("sha256")
    .update(process.version)
    .update(lock)
    .update(LEFT_OUT.source)
    .digest("hex");
  const archive = join(kept, `runtime-${digest.slice(0, 16)}.tar.xz`);
  if (existsSync(archive)) return archive;
  const folder = join(kept, "runtime");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "runtime"), { recursive: true });
  cpSync(process.execPath, join(folder, "runtime/node"), { dereference: true });
  for (const name of productionModules(root)) {
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !/\.\w+$/.test(path) || RUNS.test(path),
    });
  }
  compress(folder, `${archive}.tmp`);
  renameSync(`${archive}.tmp`, archive);
  rmSync(folder, { recursive: true });
  return archive;
}
