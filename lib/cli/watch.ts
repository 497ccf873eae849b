/**
 * What long commands show and how they are stopped: one bar after another on stderr, and signals.
 *
 * Invariant: the first SIGINT or SIGTERM asks for an end, the second ends the process; handlers last until `release`.
 */
import { ExitCode } from "../errors.js";
import { type Progress, progress } from "./common.js";

export interface Bars {
  /** Shows progress under a name; a new name begins a new bar. */
  update(done: number, total: number, name: string, note?: string): void;
  /** Ends the bar; the next `update` begins another one. */
  stop(): void;
}

export function bars(): Bars {
  let bar: Progress | undefined;
  let shown = "";
  return {
    update(done, total, name, note) {
      if (name !== shown) bar?.stop();
      if (name !== shown) bar = progress(total, name);
      shown = name;
      bar?.update(done, note);
    },
    stop() {
      bar?.stop();
      shown = "";
    },
  };
}

/** A signal that SIGINT and SIGTERM abort; `what` is running when they come, as "Stopping after ..." names it. */
export function stopOnSignals(what: string): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    process.stderr.write(`\nStopping after ${what}; once more to stop at once.\n`);
    controller.abort();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const release = () => void process.off("SIGINT", stop).off("SIGTERM", stop);
  return { signal: controller.signal, release };
}
