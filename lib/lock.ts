/**
 * One owner for a folder that is written to.
 *
 * Invariant: the owner is named by process id and start time, so a dead owner's lock, or one whose process id now
 * belongs to another program, is taken over and a living owner's never is. That holds among processes that see each
 * other: on one machine, and inside one container.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MedcossError } from "./errors.js";
import { exclusively } from "./exclusive.mjs";
import { writing } from "./files.js";

export interface Owner {
  pid: number;
  /** Start of the process in clock ticks since boot, with the boot's id. */
  started: string;
}

/** The owner that a living process would be; undefined where there is no such process. */
export function ownerOf(pid: number): Owner | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { pid, started: `${boot}:${fields[19]}` };
  } catch {
    return undefined;
  }
}

/** Whom a lock names, nobody where it says nothing; undefined where there is no lock. */
async function readOwner(path: string): Promise<Partial<Owner> | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function isAlive(owner: Partial<Owner> | undefined): owner is Owner {
  if (owner?.pid === undefined || owner.started === undefined) return false;
  return ownerOf(owner.pid)?.started === owner.started;
}

/** Creates the lock file, complete from the moment it has its name; false where there is one. */
async function create(path: string): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, JSON.stringify(ownerOf(process.pid)));
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** One process at a time, so that none removes the lock which another has just put in the place of a dead one. */
async function removeIfDead(path: string): Promise<void> {
  await exclusively(path, async () => {
    const owner = await readOwner(path);
    if (owner && !isAlive(owner)) await rm(path);
  });
}

export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Takes `folder` (made if need be) for this process; throws E_RUN_LOCKED while a living process owns it. */
export async function lockFolder(folder: string): Promise<Lock> {
  const path = join(folder, "lock");
  await writing(folder, async () => {
    await mkdir(folder, { recursive: true });
    for (; !(await create(path)); await removeIfDead(path)) {
      const owner = await readOwner(path);
      if (isAlive(owner)) throw new MedcossError("E_RUN_LOCKED", { path: folder, pid: owner.pid });
    }
  });
  const release = () => rm(path, { force: true });
  return { release, [Symbol.asyncDispose]: release };
}
