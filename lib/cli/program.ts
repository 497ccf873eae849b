/**
 * The command line: every command registered on one commander program, and wrong use mapped to coded errors.
 */
import { Command, CommanderError } from "commander";
import { ExitCode, MedcossError } from "../errors.js";
import { packageVersion } from "../version.js";
import { reportError, setDebug } from "./common.js";

const commandNames = [
  "demo",
  "pack",
  "pretrain",
  "inspect",
  "convert",
  "golden",
  "doctor",
  "libtorch",
] as const;

/** Registers the named commands; a command's modules are loaded for it alone, which keeps the start short. */
async function registerCommands(program: Command, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      (await import(`./${name}.js`)).register(program);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    }
  }
}

/** The program with all commands, or with `only` one; it throws instead of ending the process. */
export async function createProgram(only?: string): Promise<Command> {
  const program = new Command("medcoss")
    .description("Pre-train one ViT over reports, X-ray, CT, MRI and pathology, one after another")
    .version(packageVersion())
    .option("--debug", "print the stack of an error")
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError()
    .hook("preAction", (command) => setDebug(command.opts().debug === true));
  await registerCommands(
    program,
    commandNames.filter((name) => only === undefined || name === only),
  );
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
    case "commander.unknownCommand":
      return new MedcossError("E_UNKNOWN_OPTION", { option: named, suggestion });
    default:
      return new MedcossError("E_CONFIG", { field: "command line", problem: lines[0] as string });
  }
}

/** Runs the command line with the arguments after the program's name and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const named = commandNames.find((name) => name === args[0]);
    const program = await createProgram(named);
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
