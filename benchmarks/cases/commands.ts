/** How contenders are started: this package's workers and the peers' scripts. */
import { fileURLToPath } from "node:url";
import { peerPython } from "../harness/python.js";
import type { Command } from "../harness/worker.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const environment = (threads: number) => ({ OMP_NUM_THREADS: String(threads) });

export function ourWorker(name: string, threads: number): Command {
  const args = [...process.execArgv, here(`../contenders/${name}.ts`)];
  return { executable: process.execPath, args, env: environment(threads) };
}

export function peerWorker(name: string, threads: number): Command {
  const args = [here(`../peers/${name}.py`)];
  return { executable: peerPython(), args, env: environment(threads) };
}
