/**
 * Digests of inputs, which tell what has to be made again.
 *
 * Invariant: a digest depends on names and contents only, so a fresh checkout and a touched file need no new build.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** @param {string} root @param {string} path @returns {string[]} */
function filesOf(root, path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesOf(root, join(path, name)));
}

/** @param {string} root @param {string[]} paths files and folders @param {string[]} [values] other inputs */
export function digestOf(root, paths, values = []) {
  const hash = createHash("sha256").update(JSON.stringify(values));
  for (const path of paths.flatMap((entry) => filesOf(root, entry))) {
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}

/** What is made from what: a digest per made thing, beside the things themselves. @param {string} root */
export function openStamps(root) {
  const file = join(root, "build", "setup.json");
  /** @returns {Record<string, string>} */
  const read = () => {
    try {
      return JSON.parse(readFileSync(file, "utf8"));
    } catch {
      return {};
    }
  };
  return {
    /** @param {string} name @param {string} digest */
    fits: (name, digest) => read()[name] === digest,
    /** @param {string} name @param {string} digest */
    set(name, digest) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${JSON.stringify({ ...read(), [name]: digest }, null, 2)}\n`);
    },
  };
}
