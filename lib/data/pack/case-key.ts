/**
 * The secret that turns what names a patient or a series into a name that says nothing.
 *
 * Invariant: the same patient has the same name in one store, whatever was packed when; without the key nobody can
 * find out whether a patient is in it.
 */
import { createHmac, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writing } from "../../files.js";

/** Its file in the store. */
export const CASE_KEY_FILE = "case-key";

/** The store's key; made on first use, or `given`. */
export async function caseKey(store: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const path = join(store, CASE_KEY_FILE);
  const found = await readFile(path, "utf8").catch(() => "");
  if (found.trim() !== "") return found.trim();
  const key = randomBytes(32).toString("hex");
  await writing(path, () => writeFile(path, `${key}\n`, { mode: 0o600 }));
  return key;
}

/** A name for `identity` that cannot be read back or tried out without the key. */
export function keyedName(key: string, identity: string): string {
  return createHmac("sha256", key).update(identity).digest("hex").slice(0, 32);
}
