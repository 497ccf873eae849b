/**
 * The program of a decoding process: answers one request after another, and says which file it begins.
 *
 * Invariant: it does not outlive the packing process, even where that was killed and a decoder does not come to an end.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { beginFile } from "./place.js";
import type { Answer, Request } from "./protocol.js";
import { pack, scan } from "./worker.js";

/** Looks from a thread of its own, which a busy decoder does not hold up, whether the packing process lives. */
const GUARD = `
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGKILL"), 1000);
`;

/** Under any limit a process of this size is kept; a look for what is left behind takes as long as some small images. */
const SMALL_BYTES = 100e6;

async function answer(request: Request): Promise<Answer> {
  if ("scan" in request) return { scanned: await scan(request.scan, beginFile) };
  const results = await pack(request.pack, beginFile);
  return "failed" in results ? results : { results };
}

const guard = new Worker(GUARD, { eval: true, execArgv: [], env: {}, stdin: false });
guard.unref();
// A decoder that never comes to an end would keep it from starting.
const guarded = once(guard, "online");

process.on("message", (request: Request) => {
  void guarded
    .then(() => answer(request))
    .then((reply) => {
      // What files left behind would make the process look too large to be kept.
      if (process.memoryUsage.rss() > SMALL_BYTES) globalThis.gc?.();
      process.send?.(reply);
    });
});
process.on("disconnect", () => process.exit());
// The terminal's Ctrl-C goes to every process; the packing process decides what becomes of this one.
process.on("SIGINT", () => undefined).on("SIGTERM", () => undefined);
// The packing process may have gone while this one started.
if (!process.connected) process.exit();
