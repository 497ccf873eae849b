/** Where this package is, and its version. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Found {
  root: URL;
  version: string;
}

/** The nearest folder above this file with the `package.json` of medcoss, compiled or not. */
function find(): Found {
  let root = new URL(".", import.meta.url);
  for (;;) {
    try {
      const found = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
      if (found.name === "medcoss") return { root, version: found.version };
    } catch (error) {
      if (root.pathname === "/") throw error;
    }
    root = new URL("..", root);
  }
}

/** Absolute path of the package's folder, ending in a separator. */
export function packageRoot(): string {
  return fileURLToPath(find().root);
}

export function packageVersion(): string {
  return find().version;
}
