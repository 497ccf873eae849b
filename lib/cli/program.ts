/**
 * The command line: every command registered on one commander program, and wrong use mapped to coded errors.
 */
import { Command, CommanderError } from "commander";
import { ExitCode, MedcossError } from "../errors.js";
import { packageVersion } from "../version.js";
import { reportError, setCommand, setDebug } from "./common.js";
import { addExamples } from "./examples.js";

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
    .description(
      "Pre-train one vision transformer on unlabelled reports, X-rays, CT, MRI and pathology, one after another",
    )
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
  addExamples(program);
  return program;
}

/** A command that only its subcommands can run was given none. */
function withoutSubcommand(program: Command, name: string): MedcossError {
  const names = program.commands.find((each) => each.name() === name)?.commands ?? [];
  const expected = names.map((each) => each.name()).join(", ");
  const problem = `expected one of ${expected}, received nothing`;
  return new MedcossError("E_CONFIG", { field: name, problem });
}

/** A commander error as one of the registry; undefined where help or the version was printed. */
function usageError(error: CommanderError, program: Command, name: string) {
  if (error.exitCode === 0) return undefined;
  const lines = error.message.replace(/^error: /, "").split("\n");
  const suggestion = lines[1] ? ` ${lines[1]}` : "";
  const named = /'([^']+)'/.exec(lines[0] as string)?.[1] ?? "";
  switch (error.code) {
    case "commander.help":
      return withoutSubcommand(program, name);
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
  const [first = ""] = args;
  const program = await createProgram(Object.hasOwn(commands, first) ? first : undefined);
  try {
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
    const usage = usageError(error, program, first);
    process.exitCode = usage ? reportError(usage) : ExitCode.done;
  }
}
