/**
 * A run of `pack` that packed nothing: what it says, and what it takes back.
 *
 * Invariant: what is taken back names no record; a list of rejected files stays, as it says why.
 */
import { readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { PackSource } from "../../config/pack.js";
import { MedcossError } from "../../errors.js";
import { counted } from "../../format.js";
import { indexPath, readIndex } from "../store-index.js";
import { CASE_KEY_FILE } from "./case-key.js";
import { REJECTED_FILE, type Tally, whyRejected } from "./report.js";
import { TOKENIZER } from "./store-tokenizer.js";

/** E_NO_DATA with the inputs that were searched, what became of their files, and the records that are for validation. */
export function nothingPacked(
  store: string,
  sources: readonly PackSource[],
  tallies: readonly Tally[],
  validation: number,
): MedcossError {
  const inputs = sources.map(({ path }) => path).join(", ");
  const rejected = tallies.flatMap((tally) => tally.rejected);
  const skipped = tallies.flatMap((tally) => [...tally.skipped]);
  const reasons = skipped.map(([reason, count]) => `${counted(count, "file")} skipped (${reason})`);
  if (rejected.length > 0) {
    reasons.push(`${whyRejected(rejected)}, see ${join(store, REJECTED_FILE)}`);
  }
  if (validation > 0)
    reasons.push(`${counted(validation, "record")} for validation, none for training`);
  const problem = reasons.join(", ") || "no files there";
  return new MedcossError("E_NO_DATA", { inputs, problem });
}

/** Removes a folder; one that holds something, or is not there, is left alone. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => {});
}

/** Removes what stands around the records from a store that has none, and the folders of modalities without any. */
export async function takeBack(store: string, modalities: Iterable<string>): Promise<void> {
  const empty = await readIndex(store).then(
    (index) => Object.keys(index.modalities).length === 0,
    (error: MedcossError) => error.code === "E_NO_STORE",
  );
  if (empty) {
    for (const file of [indexPath(store), join(store, TOKENIZER), join(store, CASE_KEY_FILE)]) {
      await rm(file, { force: true });
    }
  }
  const rejected = join(store, REJECTED_FILE);
  if (empty && (await readFile(rejected, "utf8").catch(() => "")) === "") {
    await rm(rejected, { force: true });
  }
  for (const modality of modalities) await removeIfEmpty(join(store, modality));
}
