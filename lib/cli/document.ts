/**
 * The generated part of docs/cli.md: every command with its help text.
 */
import type { Command } from "commander";
import { examplesOf } from "./examples.js";

/** All commands below `program`, depth first. */
function commandsBelow(program: Command): Command[] {
  return program.commands.flatMap((command) => [command, ...commandsBelow(command)]);
}

function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

/** Markdown with the help of every command. */
export function commandPages(program: Command): string {
  return commandsBelow(program)
    .map((command) => {
      command.configureHelp({ helpWidth: 100 });
      const help = `${command.helpInformation().trimEnd()}\n${examplesOf(command)}`.trimEnd();
      return `## \`${fullName(command)}\`\n\n\`\`\`text\n${help}\n\`\`\``;
    })
    .join("\n\n");
}
