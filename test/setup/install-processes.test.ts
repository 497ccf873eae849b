/**
 * Installation in processes of their own: two at once, without the right to write, and on a disk that fills.
 */
import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type FakePython, fakePython } from "../helpers/fake-python.js";
import { packageRoot } from "../helpers/package-root.js";

t.setTimeout(120_000);
const MODULES = "lib/native/libtorch";
const folder = join(packageRoot, MODULES);
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** A program that installs, and prints the code and words of the error that it ends with. */
function program(from: string, { wheels, files }: FakePython): string {
  const options = { set: { wheels, need: { download: 1, unpacked: 1 } }, files };
  return `import { isWritable, cacheFolder } from "${from}/find.mjs";
    import { installLibtorch } from "${from}/install.mjs";
    try {
      console.log((await installLibtorch({ ...${JSON.stringify(options)}, log: console.log })).how);
    } catch (error) { console.log(error.message, "writable:", isWritable(cacheFolder())); }`;
}

/** Runs Node.js on a program, after other words of a command; gives what it printed. */
function run(
  words: string[],
  text: string,
  env: NodeJS.ProcessEnv,
  options: SpawnOptions = {},
): Promise<string> {
  const [command = "", ...args] = [...words, process.execPath, "--input-type=module", "-e", text];
  const child = spawn(command, args, { ...options, env });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data) => {
      printed += data;
    });
  }
  return new Promise((done) => child.on("close", () => done(printed)));
}

t.test("two processes at once fetch once", async (t) => {
  const python = fakePython(t.testdir());
  const text = program(folder, { ...python, files: [] });
  const printed = await Promise.all([run([], text, python.env), run([], text, python.env)]);
  for (const each of printed) t.match(each, /cache\n$/);
  t.match(printed.join(""), /waiting for another process/);
  t.equal(python.calls().length, 2);
});

/** A test may run as root, who may write everywhere. */
const other = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
const starts = spawnSync(process.execPath, ["--version"], { ...other, cwd: "/" }).status === 0;
const hidden = starts ? false : "another user cannot start this Node.js";

t.test("a cache folder that may not be written to", { skip: hidden }, async (t) => {
  // Where another user reaches it.
  const root = mkdtempSync(join(tmpdir(), "medcoss-install-"));
  t.teardown(() => rmSync(root, { recursive: true }));
  chmodSync(root, 0o755);
  for (const name of [MODULES, "lib/exclusive.mjs"]) {
    cpSync(join(packageRoot, name), join(root, name), { recursive: true });
  }
  mkdirSync(join(root, "cache"), { mode: 0o555 });
  const python = fakePython(t.testdir());
  const text = program(join(root, MODULES), { ...python, files: [] });
  const env = { ...python.env, MEDCOSS_CACHE: join(root, "cache") };
  // Another user may not read what the test runner adds.
  const words = ["/usr/bin/env", "-u", "NODE_OPTIONS"];
  const printed = await run(words, text, env, { cwd: root, ...other });
  t.match(
    printed,
    `${join(root, "cache")} cannot be written to; name another folder in MEDCOSS_CACHE`,
  );
  t.match(printed, "writable: false");
});

const namespaces = ["unshare", ...(isRoot ? [] : ["--map-root-user"]), "--mount"];
const enters = spawnSync("unshare", [...namespaces.slice(1), "true"]).status === 0;
const skip = enters ? false : "namespaces cannot be made here";

t.test("a disk that fills while LibTorch is unpacked", { skip }, async (t) => {
  const python = fakePython(t.testdir());
  const cache = String(python.env.MEDCOSS_CACHE);
  mkdirSync(cache);
  const mount = 'mount -t tmpfs -o size=16k tmpfs "$0" && "$@"; ls -aR "$0"';
  const text = program(folder, python);
  const words = [...namespaces, "sh", "-c", mount, cache];
  const printed = await run(words, text, { ...python.env, PATH: "/usr/bin:/bin:/usr/sbin:/sbin" });
  t.match(printed, /E_LIBTORCH_INSTALL: ENOSPC/);
  t.notMatch(printed, /libtorch-|part-/, "nothing half done is left");
  t.same(readdirSync(cache), []);
});
