/**
 * One process at a time for work on a folder.
 *
 * Invariant: the lock is an abstract Unix socket, which the kernel frees when its owner ends in whatever way; there is
 * nothing stale to clean up, and nothing is written, so it works for folders that cannot be written to. Plain
 * JavaScript, because the set-up of a fresh clone uses it before anything is compiled.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const RETRY_MS = 200;

/** @param {string} name @returns {Promise<import("node:net").Server | undefined>} */
function tryListen(name) {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", (/** @type {NodeJS.ErrnoException} */ error) =>
      error.code === "EADDRINUSE" ? done(undefined) : fail(error),
    );
    server.listen(`\0${name}`, () => done(server));
  });
}

/**
 * Runs `action` while no other process of this machine works on `folder`.
 * @template T
 * @param {string} folder @param {() => Promise<T>} action
 * @param {() => void} [onWait] called once where another process has to be waited for
 * @returns {Promise<T>}
 */
export async function exclusively(folder, action, onWait) {
  const name = `medcoss-${createHash("sha256").update(resolve(folder)).digest("hex").slice(0, 32)}`;
  let server = await tryListen(name);
  if (server === undefined) onWait?.();
  for (; server === undefined; server = await tryListen(name)) await sleep(RETRY_MS);
  try {
    return await action();
  } finally {
    server.close();
  }
}
