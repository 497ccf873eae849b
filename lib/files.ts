/**
 * Writing that either happened or did not: temporary name, flush, rename.
 *
 * Invariant: a system error while writing leaves as E_DISK_FULL or E_WRITE with the path concerned.
 */
import { access, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MedcossError } from "./errors.js";

const full = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Runs `action`; its system errors name `path`. */
export async function writing<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof MedcossError || code === undefined || syscall === undefined) throw error;
    if (full.has(code)) throw new MedcossError("E_DISK_FULL", { path }, { cause: error });
    throw new MedcossError("E_WRITE", { path, problem: message }, { cause: error });
  }
}

/** Whether there is a file or folder of that path. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Flushes the entries of a folder, so that a rename in it survives a crash of the machine. */
export async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a whole file, from parts if need be: readers see the old content or the new. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array | readonly Uint8Array[],
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  await writing(path, async () => {
    try {
      const handle = await open(temporary, "w");
      try {
        const parts = typeof content === "string" || "byteLength" in content ? [content] : content;
        for (const part of parts) await handle.writeFile(part);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await flushFolder(dirname(path));
  });
}

/**
 * Makes the folder of an output file, before long work begins; throws E_WRITE where it cannot be made, or where `path`
 * itself is a folder.
 */
export async function prepareOutput(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await writing(path, () => mkdir(dirname(path), { recursive: true }));
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new MedcossError("E_WRITE", { path, problem: "it is a folder" });
}

/** What `replaceFile` leaves of a process that was killed in it. */
const leftover = /^\..+\.\d+\.tmp$/;

/** Whether a file of that name is half-written. */
export function isLeftover(name: string): boolean {
  return leftover.test(name);
}

/** Removes half-written files below `folder`; only for who owns the folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const half = entry.isFile() && isLeftover(entry.name);
    if (half) await rm(join(entry.parentPath, entry.name), { force: true });
  }
}

/** Writes a value as indented JSON. */
export async function replaceJson(path: string, value: unknown): Promise<void> {
  await replaceFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
