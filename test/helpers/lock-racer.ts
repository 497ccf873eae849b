/**
 * A process that tries to take each of the folders it is told, one after another, at the times it is told; it answers
 * with the numbers of those it got, and lives until it is disconnected.
 */
import type { MedcossError } from "../../lib/errors.js";
import { lockFolder } from "../../lib/lock.js";

export interface Race {
  folders: string[];
  /** When to try the first folder, in milliseconds since 1970, and the time from one to the next. */
  start: number;
  each: number;
}

process.on("message", async ({ folders, start, each }: Race) => {
  const taken: number[] = [];
  for (const [number, folder] of folders.entries()) {
    while (Date.now() < start + number * each);
    await lockFolder(folder).then(
      () => taken.push(number),
      (error: MedcossError) => {
        if (error.code !== "E_RUN_LOCKED") throw error;
      },
    );
  }
  process.send?.(taken);
});
process.send?.("ready");
