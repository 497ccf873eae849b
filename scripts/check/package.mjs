/**
 * Checks what would be published: everything that a user needs, nothing else, and exports that resolve. Also that the
 * lock file is complete for `npm ci` and names no registry.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const required = [
  "package.json",
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
  "CMakeLists.txt",
  "dist/index.js",
  "dist/index.d.ts",
  "dist/cli/main.js",
  "dist/native/libtorch/find.mjs",
  "native/core.cmake",
  "native/cuda.cmake",
  "native/cuda_library.cmake",
  "scripts/build-native.mjs",
  "scripts/setup/cuda.mjs",
  "examples/README.md",
  "examples/image-search/package.json",
  "deploy/Dockerfile",
];
const allowed =
  /^(docs\/.*\.(md|svg|png|json)|dist\/.*\.(m?js|d\.m?ts|map)|native\/.*|prebuilds\/.*|lib\/.*\.(ts|mjs)|examples\/[\w./-]+|deploy\/[\w./-]+|benchmarks\/reports\/[\w.-]+\.(md|svg)|scripts\/(setup\/\w+|build-native)\.mjs|\w+\.md|LICENSE|CMakeLists\.txt|package\.json)$/;

function contentProblems() {
  const text = execFileSync("npm", ["pack", "--dry-run", "--json", "--loglevel=error"], {
    cwd: root,
    encoding: "utf8",
  });
  /** @type {Array<{ files: Array<{ path: string }> }>} */
  const packs = Object.values(JSON.parse(text));
  const names = (packs[0]?.files ?? []).map(({ path }) => path);
  return [
    ...required.filter((name) => !names.includes(name)).map((name) => `${name} is not packed`),
    ...names.filter((name) => !allowed.test(name)).map((name) => `${name} is packed`),
  ];
}

function lockProblems() {
  const text = readFileSync(join(root, "package-lock.json"), "utf8");
  /** @type {{ packages: Record<string, { optionalDependencies?: Record<string, string> }> }} */
  const { packages } = JSON.parse(text);
  const problems = /"resolved": *"https?:/.test(text) ? ["package-lock.json names a registry"] : [];
  for (const [name, entry] of Object.entries(packages)) {
    for (const optional of Object.keys(entry.optionalDependencies ?? {})) {
      const places = [`${name}/node_modules/${optional}`, `node_modules/${optional}`];
      if (!places.some((place) => place in packages)) {
        problems.push(`package-lock.json lacks ${optional}, which ${name} may want`);
      }
    }
  }
  return problems;
}

async function publishProblems() {
  const { messages, pkg } = await publint({ pkgDir: root, strict: true });
  return messages.map(
    (message) => formatMessage(message, /** @type {any} */ (pkg)) ?? message.code,
  );
}

export async function packageProblems() {
  return [...contentProblems(), ...lockProblems(), ...(await publishProblems())];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await packageProblems();
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
