/**
 * The program of a decoding process: answers one request after another, and says which file it begins.
 *
 * Invariant: it does not outlive the packing process, even where that was killed and a decoder does not come to an end.
 */
import { Worker } from "node:worker_threads";
import type { Answer, Request } from "./protocol.js";
import { pack, scan } from "./worker.js";

/** Looks from a thread of its own, which a busy decoder does not hold up, whether the packing process lives. */
const GUARD = `
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGKILL"), 1000);
`;

const send = (message: Answer | { at: number }) => process.send?.(message);

async function answer(request: Request): Promise<Answer> {
  const onFile = (at: number) => void send({ at });
  if ("scan" in request) return { scanned: await scan(request.scan, onFile) };
  const results = await pack(request.pack, onFile);
  return "failed" in results ? results : { results };
}

process.on("message", (request: Request) => {
  void answer(request).then((reply) => {
    // What files left behind would make the process look too large to be kept.
    globalThis.gc?.();
    send(reply);
  });
});
process.on("disconnect", () => process.exit());
// The terminal's Ctrl-C goes to every process; the packing process decides what becomes of this one.
process.on("SIGINT", () => undefined).on("SIGTERM", () => undefined);
new Worker(GUARD, { eval: true, execArgv: [], env: {}, stdin: false }).unref();
// The packing process may have gone while this one started.
if (!process.connected) process.exit();
