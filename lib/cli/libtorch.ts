/**
 * `medcoss libtorch install|path|remove`: the LibTorch that the addon runs on.
 */
import type { Command } from "commander";
import { findLibtorch, installLibtorch, removeLibtorch } from "../native/libtorch.js";
import { runCommand } from "./common.js";

const say = (line: string) => void process.stderr.write(`${line}\n`);
const print = (line: string) => void process.stdout.write(`${line}\n`);

interface InstallFlags {
  cuda?: boolean;
  wheel?: string[];
}

async function install({ cuda = false, wheel = [] }: InstallFlags): Promise<void> {
  const { path } = await installLibtorch({ cuda, files: wheel, log: say });
  print(path);
}

async function remove(): Promise<void> {
  const removed = await removeLibtorch();
  for (const path of removed) say(`removed ${path}`);
  if (removed.length === 0) say("There was nothing to remove.");
}

export function register(program: Command): void {
  const libtorch = program
    .command("libtorch")
    .description("install, find or remove LibTorch, PyTorch's C++ library, on which medcoss runs");
  libtorch
    .command("install")
    .description("put LibTorch into the cache folder, fetched with pip or from wheels at hand")
    .option("--cuda", "with the libraries that a GPU needs (2.5 GB to download; without: 0.55 GB)")
    .option("--wheel <file...>", "wheels at hand, for machines without a network or Python")
    .action((flags: InstallFlags) => runCommand(() => install(flags)));
  libtorch
    .command("path")
    .description("print the folder of the LibTorch that is used")
    .action(() => runCommand(async () => print(findLibtorch().path)));
  libtorch
    .command("remove")
    .description("remove LibTorch and its wheels from the cache folder")
    .action(() => runCommand(remove));
}
