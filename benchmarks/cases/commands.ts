/** How contenders are started: this package's workers and the peers' scripts. */
import { contenderModule, peerScript } from "../harness/place.js";
import { peerPython } from "../harness/python.js";
import type { Command } from "../harness/worker.js";

const environment = (threads: number) => ({ OMP_NUM_THREADS: String(threads) });

export function ourWorker(name: string, threads: number): Command {
  // Python gives back at once what nobody holds any more; ours collects where its peak begins to count.
  const args = [...process.execArgv, "--expose-gc", contenderModule(name)];
  return { executable: process.execPath, args, env: environment(threads) };
}

/** The interpreter is looked for, or made, when the process starts. */
export function peerWorker(name: string, threads: number): Command {
  return {
    get executable() {
      return peerPython();
    },
    args: [peerScript(name)],
    env: environment(threads),
    python: true,
  };
}
