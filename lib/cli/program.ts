/**
 * The command line: every command registered on one commander program, and wrong use mapped to coded errors.
 */
import { Command, CommanderError } from "commander";
import { ExitCode, MedcossError } from "../errors.js";
import { packageVersion } from "../version.js";
import { reportError, setCommand, setDebug } from "./common.js";

interface CommandModule {
  register(program: Command): void;
}

/** Every command in the order of the help; its modules are loaded when it is asked for, which keeps the start short. */
const commands: Record<string, () => Promise<CommandModule>> = {
  demo: () => import("./demo.js"),
  pack: () => import("./pack.js"),
  pretrain: () => import("./pretrain.js"),
  buffer: () => import("./buffer.js"),
  embed: () => import("./embed.js"),
  reconstruct: () => import("./reconstruct.js"),
  inspect: () => import("./inspect.js"),
  convert: () => import("./convert.js"),
  golden: () => import("./golden.js"),
  doctor: () => import("./doctor.js"),
  libtorch: () => import("./libtorch.js"),
};

/** The program with all commands, or with `only` one; it throws instead of ending the process. */
export async function createProgram(only?: string): Promise<Command> {
  const program = new Command("medcoss")
    .description("Pre-train one ViT over reports, X-ray, CT, MRI and pathology, one after another")
    .version(packageVersion())
    .option("--debug", "print the stack of an error")
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError()
    .hook("preAction", (command, running) => {
      setDebug(command.opts().debug === true);
      setCommand(running);
    });
  for (const [name, load] of Object.entries(commands)) {
    if (only === undefined || name === only) (await load()).register(program);
  }
  return program;
}

/** A commander error as one of the registry; undefined where help or the version was printed. */
function usageError(error: CommanderError): MedcossError | undefined {
  if (error.exitCode === 0) return undefined;
  const lines = error.message.replace(/^error: /, "").split("\n");
  const suggestion = lines[1] ? ` ${lines[1]}` : "";
  const named = /'([^']+)'/.exec(lines[0] as string)?.[1] ?? "";
  switch (error.code) {
    case "commander.unknownOption":
      return new MedcossError("E_UNKNOWN_OPTION", { what: "option", name: named, suggestion });
    case "commander.unknownCommand":
      return new MedcossError("E_UNKNOWN_OPTION", { what: "command", name: named, suggestion });
    default:
      return new MedcossError("E_CONFIG", { field: "command line", problem: lines[0] as string });
  }
}

/** Runs the command line with the arguments after the program's name and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const [first = ""] = args;
    const program = await createProgram(Object.hasOwn(commands, first) ? first : undefined);
    if (args.length === 0) {
      program.outputHelp();
      return;
    }
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      process.exitCode = reportError(error);
      return;
    }
    const usage = usageError(error);
    process.exitCode = usage ? reportError(usage) : ExitCode.done;
  }
}
