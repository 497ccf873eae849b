/** Copies every page of the project into `pages/`, where VitePress and its modules lie in one tree. */
import { cpSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const pages = join(here, "pages");
const kept = /\.(md|svg|png|json)$/;

rmSync(pages, { recursive: true, force: true });
for (const name of [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "examples/README.md",
  "benchmarks/README.md",
]) {
  cpSync(join(root, name), join(pages, name === "README.md" ? "index.md" : name));
}
for (const folder of ["docs", "benchmarks/reports"]) {
  cpSync(join(root, folder), join(pages, folder), {
    recursive: true,
    filter: (path) => !/\.\w+$/.test(path) || kept.test(path),
  });
}
cpSync(join(here, "api"), join(pages, "api"), { recursive: true });
console.log(`${readdirSync(pages, { recursive: true }).length} files`);
