import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { checkGpu, readDriver } from "../../lib/doctor/gpu.js";
import { checkAddon, checkLibtorch } from "../../lib/doctor/native.js";
import {
  checkCache,
  checkHere,
  checkMemory,
  checkNode,
  checkPlatform,
  checkSharedMemory,
  checkThreads,
} from "../../lib/doctor/system.js";
import type { Diagnosis } from "../../lib/doctor/types.js";
import type { Libtorch } from "../../lib/native/libtorch.js";
import { runCommandLine as runCommand } from "../helpers/command.js";
import { fakePython } from "../helpers/fake-python.js";

const cpuOnly: Libtorch = { path: "/torch", version: "2.11.0+cu130", cuda: false, how: "cache" };

/** An environment with an `nvidia-smi` that prints `text`. */
function withGpu(folder: string, text: string): NodeJS.ProcessEnv {
  const file = join(folder, "nvidia-smi");
  writeFileSync(file, `#!/bin/sh\necho '${text}'\n`);
  chmodSync(file, 0o755);
  return { PATH: folder };
}

t.test("this machine", async (t) => {
  const { code, stdout, stderr } = await runCommand(["doctor", "--json"]);
  const diagnosis: Diagnosis = JSON.parse(stdout);
  t.equal(stderr, "");
  t.equal(code, diagnosis.healthy ? 0 : 1);
  const names = diagnosis.checks.map(({ name }) => name);
  for (const name of ["Node.js", "platform", "LibTorch", "addon", "GPU", "memory", "disk, cache"]) {
    t.ok(names.includes(name), name);
  }
  t.match(
    diagnosis.checks.find(({ name }) => name === "addon"),
    { state: "ok", found: /built for LibTorch 2\.11\.0/ },
  );
});

t.test("without LibTorch it tells the problem and the remedy, and exits with 1", async (t) => {
  const { code, stdout } = await runCommand(["doctor"], { MEDCOSS_LIBTORCH: "/nowhere" });
  t.equal(code, 1);
  t.match(
    stdout,
    /PROBLEM {2}LibTorch .*nowhere: does not exist\)\n\s+Correct MEDCOSS_LIBTORCH, or unset it and run: npx/,
  );
  t.match(stdout, /note {5}addon +is there; .* once LibTorch is there\n/);
  t.equal(stdout.match(/was not found/g)?.length, 1, "said once");
});

t.test("where pip cannot fetch LibTorch, that comes first", async (t) => {
  const remedy = async (env: NodeJS.ProcessEnv) => checkLibtorch(env).check.remedy;
  const python = fakePython(join(t.testdir(), "with"));
  t.equal(await remedy(python.env), "Run: npx medcoss libtorch install");
  t.match(
    await remedy({ ...python.env, PATH: "/nowhere" }),
    /^python3 is missing\. Install it: .*; then run: npx medcoss libtorch install\. .*--wheel/,
  );
  const bare = fakePython(join(t.testdirName, "without"), { failing: { "--version": "No pip" } });
  t.match(await remedy(bare.env), /^pip of python3 is missing\. Install it/);
});

t.test("Node.js and platform", async (t) => {
  t.match(checkNode("20.17.0"), { state: "ok" });
  t.match(checkNode("20.16.9"), { state: "problem", remedy: /20\.17/ });
  t.match(checkPlatform("linux", "x64", "2.34"), { state: "ok", found: "linux x64, glibc 2.34" });
  t.match(checkPlatform("linux", "x64", "2.31"), { state: "problem", remedy: /RHEL 9/ });
  t.match(checkPlatform("linux", "arm64", "2.39"), { state: "problem", remedy: /from source/ });
  const container = /Supported: Linux.* use a container/;
  t.match(checkPlatform("darwin", "arm64", ""), { state: "problem", remedy: container });
  t.match(checkPlatform("win32", "x64", ""), { state: "problem", remedy: container });
  const alpine = checkPlatform("linux", "x64", "");
  t.match(alpine, { state: "problem", found: "linux x64", remedy: container }, "another C library");
});

t.test("memory, threads, disk, shared memory", async (t) => {
  t.match(checkMemory(8e9, 4e9), { state: "ok" });
  t.match(checkMemory(8e9, 1e9), { state: "problem" });
  t.match(checkThreads({}), { state: "ok" });
  t.match(checkThreads({ OMP_NUM_THREADS: "3" }), { state: "note", found: /OMP_NUM_THREADS=3/ });
  const cache = join(t.testdir(), "of/a/folder/to/come");
  t.match(await checkCache(false, { MEDCOSS_CACHE: cache }), {
    state: "ok",
    found: /free at.*come/,
  });
  t.match(await checkHere(t.testdirName, 2 ** 80), { state: "problem", remedy: /Free at least/ });
  t.match(await checkSharedMemory("/no/such/folder"), { state: "note" });
  t.match(await checkSharedMemory("/"), { state: "ok" });
});

t.test("folders that cannot be written to", async (t) => {
  const env = { MEDCOSS_CACHE: "/dev/null/cache" };
  t.match(await checkCache(false, env), {
    state: "problem",
    found: "/dev/null/cache cannot be written to",
    remedy: /export MEDCOSS_CACHE=/,
  });
  t.match(await checkCache(true, env), { state: "note", found: /LibTorch is there already/ });
  t.match(await checkHere("/dev/null"), { state: "note", found: /cannot be written to/ });
});

t.test("no GPU is nothing to repair", async (t) => {
  const env = { PATH: "/nowhere" };
  t.match(await checkGpu(undefined, env, "/nowhere"), [{ name: "GPU", state: "note" }]);
});

t.test("a GPU with CPU libraries", async (t) => {
  const env = withGpu(t.testdir(), "NVIDIA H100, 580.65.06");
  t.match(await checkGpu(cpuOnly, env), [
    { name: "GPU driver", state: "ok", found: "580.65.06" },
    { name: "GPU", state: "ok", found: "NVIDIA H100" },
    { name: "CUDA libraries", state: "note", found: /libtorch install --cuda/ },
  ]);
  t.equal((await checkGpu({ ...cpuOnly, cuda: true }, env)).length, 2);
});

t.test("an old driver, and a driver without a GPU", async (t) => {
  const folder = t.testdir({
    version: "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  x",
  });
  const old = await checkGpu(undefined, withGpu(folder, "Tesla V100, 470.1.2"));
  t.match(old[0], { state: "problem", remedy: /580 or newer/ });
  t.equal(await readDriver(join(folder, "version")), "535.104.05");
  const hidden = await checkGpu(undefined, { PATH: "/nowhere" }, join(folder, "version"));
  t.match(hidden[1], { state: "problem", found: "driver without a GPU" });
});

t.test("LibTorch and the addon through the environment", async (t) => {
  t.match(checkLibtorch(), { check: { state: "ok", found: /2\.11\.0.*\(from / } });
  t.match(await checkAddon({ ...process.env, NODE_OPTIONS: "--no-such-option" }), {
    state: "problem",
    found: /ended the process/,
    remedy: /npm run setup/,
  });
});
