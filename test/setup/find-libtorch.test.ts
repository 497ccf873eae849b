import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { MedcossError } from "../../lib/errors.js";
import { cacheFolder, installFolder, searchLibtorch } from "../../lib/native/libtorch/find.mjs";
import { findLibtorch, LIBTORCH_VERSION } from "../../lib/native/libtorch.js";
import { fakeLibtorch } from "../helpers/site-packages.js";

/** An environment with an empty cache and a python3 that knows the given torch folder, or none. */
function environment(folder: string, pythonTorch?: string): NodeJS.ProcessEnv {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  if (pythonTorch !== undefined) {
    writeFileSync(join(bin, "python3"), `#!/bin/sh\necho "${pythonTorch}"\n`);
    chmodSync(join(bin, "python3"), 0o755);
  }
  return { PATH: `${bin}:/bin`, MEDCOSS_CACHE: join(folder, "cache") };
}

/** An environment whose PATH holds nothing at all. */
function bare(folder: string): NodeJS.ProcessEnv {
  return { PATH: join(folder, "nothing"), MEDCOSS_CACHE: join(folder, "cache") };
}

function refusal(env: NodeJS.ProcessEnv): MedcossError {
  try {
    findLibtorch(env);
  } catch (error) {
    if (error instanceof MedcossError) return error;
    throw error;
  }
  throw new Error("a LibTorch was found");
}

t.test("the cache folder", async (t) => {
  t.equal(cacheFolder({ MEDCOSS_CACHE: "/a", XDG_CACHE_HOME: "/b" }), "/a");
  t.equal(cacheFolder({ XDG_CACHE_HOME: "/b", HOME: "/c" }), "/b/medcoss");
  t.equal(cacheFolder({ HOME: "/c" }), "/c/.cache/medcoss");
  t.equal(cacheFolder({}), join(homedir(), ".cache/medcoss"));
});

t.test("MEDCOSS_LIBTORCH comes first", async (t) => {
  const folder = t.testdir();
  const env = environment(folder);
  fakeLibtorch(installFolder("cpu", env));
  const torch = fakeLibtorch(join(folder, "own"));
  const found = { path: torch, version: "2.11.0+cu130", cuda: false, how: "MEDCOSS_LIBTORCH" };
  t.same(findLibtorch({ ...env, MEDCOSS_LIBTORCH: torch }), found);
  t.same(
    findLibtorch({ ...env, MEDCOSS_LIBTORCH: join(folder, "own") }),
    found,
    "the folder above",
  );
});

t.test("the cache comes second, the GPU set before the CPU set", async (t) => {
  const folder = t.testdir();
  const env = environment(folder, fakeLibtorch(join(folder, "python")));
  const cpu = fakeLibtorch(installFolder("cpu", env));
  t.match(findLibtorch(env), { path: cpu, how: "cache", cuda: false });
  const cuda = fakeLibtorch(installFolder("cuda", env), { gpu: true });
  t.match(findLibtorch(env), { path: cuda, how: "cache", cuda: true });
});

t.test("the torch of python3 comes last", async (t) => {
  const folder = t.testdir();
  const torch = fakeLibtorch(join(folder, "python"), {
    version: "2.11.0+cpu",
    without: ["libcupti.so.13"],
  });
  t.match(findLibtorch(environment(folder, torch)), { path: torch, how: "python3", cuda: false });
});

t.test("python3 is asked without importing torch, and not for the current folder", async (t) => {
  const folder = t.testdir({ work: { torch: { "__init__.py": "" } } });
  const torch = fakeLibtorch(join(folder, "site"));
  writeFileSync(join(torch, "__init__.py"), "raise SystemExit('torch was imported')\n");
  const before = process.cwd();
  process.chdir(join(folder, "work"));
  t.teardown(() => process.chdir(before));
  const env = { PATH: process.env.PATH, MEDCOSS_CACHE: join(folder, "cache") };
  const site = { ...env, PYTHONPATH: join(folder, "site") };
  t.match(findLibtorch(site), { path: torch, how: "python3" });
  const { tried } = searchLibtorch({ ...env, PYTHONNOUSERSITE: "1", PYTHONPATH: "" });
  t.notMatch(tried.at(-1)?.path, "work");
});

t.test("a plain LibTorch archive is known by its build-version", async (t) => {
  const folder = t.testdir();
  const torch = fakeLibtorch(folder, { without: ["version.py"] });
  writeFileSync(join(torch, "build-version"), "2.11.0+cu130\n");
  t.match(findLibtorch({ MEDCOSS_LIBTORCH: torch }), { path: torch, version: "2.11.0+cu130" });
});

t.test("a path that leads nowhere is refused, and nothing else is tried", async (t) => {
  const folder = t.testdir();
  const env = environment(folder);
  fakeLibtorch(installFolder("cpu", env));
  const error = refusal({ ...env, MEDCOSS_LIBTORCH: join(folder, "gone") });
  t.equal(error.code, "E_LIBTORCH_MISSING");
  t.match(error.message, /MEDCOSS_LIBTORCH \(.*gone: does not exist\)/);
  t.match(error.remedy, /^Correct MEDCOSS_LIBTORCH, or unset it and run: npx/);
});

t.test("another release is refused by name", async (t) => {
  const torch = fakeLibtorch(t.testdir(), { version: "2.10.1+cu130" });
  const error = refusal({ MEDCOSS_LIBTORCH: torch });
  t.equal(error.code, "E_LIBTORCH_VERSION");
  t.match(
    error.message,
    `LibTorch 2.10.1+cu130 at ${torch} does not fit; expected ${LIBTORCH_VERSION}`,
  );
});

t.test("damaged installations are told apart", async (t) => {
  const cases: Array<[Parameters<typeof fakeLibtorch>[1], RegExp]> = [
    [{ without: ["libtorch_cpu.so"] }, /incomplete: lib\/libtorch_cpu.so is missing/],
    [{ without: ["libcupti.so.13"] }, /incomplete: libcupti.so.13 is missing/],
    [{ without: ["version.py"] }, /holds no LibTorch/],
    [{ bytes: "12" }, /damaged: lib\/libc10.so is cut off/],
  ];
  for (const [index, [fake, expected]] of cases.entries()) {
    const torch = fakeLibtorch(join(t.testdirName, String(index)), fake);
    t.match(refusal({ MEDCOSS_LIBTORCH: torch }).message, expected);
  }
});

t.test("where nothing fits, every place is listed with one command that helps", async (t) => {
  const folder = t.testdir();
  const env = environment(folder, "");
  fakeLibtorch(installFolder("cpu", env), { without: ["libc10.so"] });
  const error = refusal(env);
  t.equal(error.code, "E_LIBTORCH_MISSING");
  t.match(error.message, /cache \(.*-cuda\/torch: does not exist\)/);
  t.match(error.message, /cache \(.*-cpu\/torch: incomplete/);
  t.match(error.message, /python3 \(python3: its Python has no torch\)/);
  t.equal(error.remedy, "Run: npx medcoss libtorch install");
  t.equal(error.toLine().includes("\n"), false);
  const { tried } = searchLibtorch(bare(folder));
  t.match(tried.at(-1), { place: "python3", problem: "there is no python3 on the path" });
});
