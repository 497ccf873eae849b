/**
 * One owner for a folder that is written to.
 *
 * Invariant: the owner is named by process id and start time, so a dead owner's lock, or one whose process id now
 * belongs to another program, is taken over and a living owner's never is.
 */
import { readFileSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MedcossError } from "./errors.js";
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

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner | undefined): boolean {
  return owner?.started !== undefined && ownerOf(owner.pid)?.started === owner.started;
}

/** Creates the lock file, complete from the moment it has its name; false where there is one. */
async function create(path: string): Promise<boolean> {
  const temporary = `${path}.${process.pid}.tmp`;
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

export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Takes `folder` (made if need be) for this process; throws E_RUN_LOCKED while a living process owns it. */
export async function lockFolder(folder: string): Promise<Lock> {
  const path = join(folder, "lock");
  await writing(folder, async () => {
    await mkdir(folder, { recursive: true });
    for (let attempt = 0; !(await create(path)); attempt++) {
      const owner = await readOwner(path);
      if (isAlive(owner) || attempt === 10) {
        throw new MedcossError("E_RUN_LOCKED", { path: folder, pid: owner?.pid ?? "unknown" });
      }
      const aside = `${path}.${process.pid}.stale`;
      await rename(path, aside).catch(() => {});
      await rm(aside, { force: true });
    }
  });
  const release = () => rm(path, { force: true });
  return { release, [Symbol.asyncDispose]: release };
}
