/** The version of this package. */
import { readFileSync } from "node:fs";

/** From the nearest `package.json` of medcoss above this file, compiled or not. */
export function packageVersion(): string {
  let folder = new URL(".", import.meta.url);
  for (;;) {
    try {
      const found = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
      if (found.name === "medcoss") return found.version;
    } catch (error) {
      if (folder.pathname === "/") throw error;
    }
    folder = new URL("..", folder);
  }
}
