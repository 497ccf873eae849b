import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { lockFolder, ownerOf } from "../lib/lock.js";
import type { Race } from "./helpers/lock-racer.js";

t.test("a folder has one owner at a time", async (t) => {
  const folder = join(t.testdir(), "run");
  const lock = await lockFolder(folder);
  t.same(JSON.parse(readFileSync(join(folder, "lock"), "utf8")), ownerOf(process.pid));
  await t.rejects(lockFolder(folder), { code: "E_RUN_LOCKED", values: { pid: process.pid } });
  await lock.release();
  t.notOk(existsSync(join(folder, "lock")));
  await using _again = await lockFolder(folder);
});

t.test("the lock of a dead owner is taken over", async (t) => {
  const child = spawn("sleep", ["60"]);
  const owner = ownerOf(child.pid as number);
  const folder = t.testdir({ lock: JSON.stringify(owner) });
  await t.rejects(lockFolder(folder), { code: "E_RUN_LOCKED" });
  child.kill("SIGKILL");
  await once(child, "exit");
  await using _lock = await lockFolder(folder);
  t.equal(JSON.parse(readFileSync(join(folder, "lock"), "utf8")).pid, process.pid);
});

t.test("of several that find a dead owner's lock at once, one takes it over", async (t) => {
  const dead = JSON.stringify({ pid: 2 ** 22 + 1, started: "earlier" });
  const names = Array.from({ length: 60 }, (_, number) => String(number));
  const root = t.testdir(Object.fromEntries(names.map((name) => [name, { lock: dead }])));
  const folders = names.map((name) => join(root, name));
  const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = fileURLToPath(new URL(`./helpers/lock-racer.${ending}`, import.meta.url));
  const racers = Array.from({ length: 3 }, () => fork(program));
  await Promise.all(racers.map((racer) => once(racer, "message")));
  const race: Race = { folders, start: Date.now() + 100, each: 20 };
  const results = racers.map(async (racer) => {
    racer.send(race);
    return (await once(racer, "message"))[0] as number[];
  });
  const taken = (await Promise.all(results)).flat();
  for (const racer of racers) racer.disconnect();
  t.same(
    taken.sort((a, b) => a - b),
    names.map(Number),
  );
});

t.test("a process that got a dead owner's id does not own its lock", async (t) => {
  const folder = t.testdir({ lock: JSON.stringify({ pid: process.pid, started: "earlier" }) });
  await using _lock = await lockFolder(folder);
  const owner = JSON.parse(readFileSync(join(folder, "lock"), "utf8"));
  t.equal(owner.pid, process.pid);
  t.not(owner.started, "earlier", "the lock names this process's own start");
});

t.test("a lock that says nothing is taken over", async (t) => {
  const folder = t.testdir();
  for (const content of ["", "{}", "null"]) {
    writeFileSync(join(folder, "lock"), content);
    const lock = await lockFolder(folder);
    await lock.release();
  }
});

t.test("there is no owner where there is no process", async (t) => {
  t.equal(ownerOf(2 ** 22 + 1), undefined);
});

t.test("a folder that cannot be made is E_WRITE", async (t) => {
  const folder = t.testdir({ file: "" });
  await t.rejects(lockFolder(join(folder, "file", "run")), { code: "E_WRITE" });
});
