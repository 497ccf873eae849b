/**
 * A checkout in miniature whose tools are fakes, for tests of the set-up's own decisions.
 */
import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.js";
import { fakeLibtorch } from "./site-packages.js";

const created = [
  "medcoss.node",
  "medcoss_loader.node",
  "medcoss_pixels.node",
  "libturbojpeg.so.0",
].map((name) => `build/native/Release/${name}`);

/** A program that notes its call, takes a moment, and makes files. */
const tool = (name: string, makes: string[], fails = "") => `
const fs = require("node:fs"), path = require("node:path");
fs.appendFileSync("calls", ${JSON.stringify(name)} + "\\n");
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
if (${JSON.stringify(fails)}) { console.error(${JSON.stringify(fails)}); process.exit(1); }
for (const file of ${JSON.stringify(makes)}) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, "");
}
`;

/** A lock file with one package that is needed and one that another platform needs. */
export function lockFile(version: string): string {
  const packages = { "": {}, "node_modules/a": { version }, "node_modules/b": { optional: true } };
  return JSON.stringify({ packages });
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  seconds: number;
}

export interface Checkout {
  root: string;
  /** What the tools were called for, in order. */
  calls(): string[];
  /** Runs `scripts/setup.mjs`; `env` on top of a path that holds the fakes only. */
  setup(env?: NodeJS.ProcessEnv, args?: readonly string[]): Promise<Outcome>;
}

export interface CheckoutOptions {
  /** Fakes to leave out of the path. */
  without?: string[];
  /** What the compiler complains of. */
  buildError?: string;
}

function run(
  script: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): Promise<Outcome> {
  const start = Date.now();
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code: code ?? -1, ...text, seconds: (Date.now() - start) / 1000 });
    });
  });
}

/** The set-up of the checkout that the tests belong to. */
export function realSetup(): Promise<Outcome> {
  return run(join(packageRoot, "scripts/setup.mjs"), packageRoot, process.env);
}

/** Makes the checkout in `root`. */
export function fakeCheckout(
  root: string,
  { without = [], buildError = "" }: CheckoutOptions = {},
): Checkout {
  for (const path of ["scripts", "lib/native/libtorch", "lib/exclusive.mjs"]) {
    cpSync(join(packageRoot, path), join(root, path), { recursive: true });
  }
  const bin = join(root, "bin");
  for (const path of ["native", "bin", "fakes"]) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, "package.json"), '{ "name": "checkout", "version": "1.0.0" }');
  writeFileSync(join(root, "package-lock.json"), lockFile("1.0.0"));
  writeFileSync(join(root, "native/core.cpp"), "");
  writeFileSync(join(root, "lib/index.ts"), "");
  const fakes: Record<string, string> = {
    npm: "echo npm >> calls; /bin/cp package-lock.json node_modules/.package-lock.json",
    "c++": "echo 'g++ 12.2.0'",
    cmake: "echo 'cmake version 3.30.0'",
    ninja: "echo 1.11",
  };
  for (const [name, text] of Object.entries(fakes).filter(([name]) => !without.includes(name))) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const modules: Record<string, string> = {
    "cmake-js/bin/cmake-js": `if (process.argv[2] === "build") {${tool("build", created, buildError)}}`,
    "typescript/bin/tsc": tool("tsc", ["dist/cli/main.js"]),
  };
  for (const [name, text] of Object.entries(modules)) {
    const file = join(root, "node_modules", name);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(join(file, "..", "package.json"), '{ "type": "commonjs" }');
    writeFileSync(file, text);
  }
  const log = join(root, "calls");
  const torch = fakeLibtorch(join(root, "site-packages"));
  return {
    root,
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
    setup: (env = {}, args = []) => {
      const own = { PATH: bin, HOME: root, MEDCOSS_LIBTORCH: torch };
      return run(join(root, "scripts/setup.mjs"), root, { ...own, ...env }, args);
    },
  };
}
