import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import t from "tap";
import { commandPages } from "../../lib/cli/document.js";
import { examplesOf } from "../../lib/cli/examples.js";
import { createProgram } from "../../lib/cli/program.js";
import { fillGenerated } from "../../lib/config/document.js";
import { errorTable, MedcossError, registry } from "../../lib/errors.js";
import { packageRoot } from "../helpers/package-root.js";

const page = (name: string) => readFileSync(join(packageRoot, "docs", name), "utf8");

t.test("docs/cli.md is the help of every command", async (t) => {
  const text = page("cli.md");
  t.equal(text, fillGenerated(text, "commands", commandPages(await createProgram())));
});

/** The command that words begin with; fails for a name that there is not. */
function commandOf(command: Command, [first, ...rest]: string[]): Command {
  const below = command.commands.find((each) => each.name() === first);
  if (below !== undefined) return commandOf(below, rest);
  const implied = command.commands.find((each) => each.name() === "build");
  if (implied !== undefined && first?.startsWith("-")) return implied;
  if (command.commands.length > 0) throw new Error(`There is no command ${first}`);
  return command;
}

t.test("every command's examples name commands and options that there are", async (t) => {
  const program = await createProgram();
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
  for (const command of leaves(program)) {
    t.match(examplesOf(command), /^\nExamples?:\n/, command.name());
    for (const line of examplesOf(command).split("\n").slice(2)) {
      const words = line.trim().split(" ").slice(2);
      t.equal(commandOf(program, words), command, line);
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      for (const flag of words.filter((word) => word.startsWith("-"))) {
        t.ok(known.includes(flag), `${flag} of ${line}`);
      }
    }
  }
  t.match(examplesOf(program), /medcoss demo/);
});

/** Every `npx medcoss` line of a page's code blocks, as words. */
function documentedCommands(text: string): string[][] {
  const blocks = text.match(/^```sh\n[\s\S]*?^```$|^ {4}npx medcoss .*$/gm) ?? [];
  return blocks
    .flatMap((block) => block.replace(/\\\n\s*/g, "").split("\n"))
    .map((line) => line.replace(/\s#.*$/, "").trim())
    .filter((line) => line.startsWith("npx medcoss "))
    .map((line) => line.split(/\s+/).slice(2));
}

t.test("commands in README and docs name commands and options that there are", async (t) => {
  const program = await createProgram();
  const docs = readdirSync(join(packageRoot, "docs")).filter((name) => name.endsWith(".md"));
  const pages = ["../README.md", ...docs.filter((name) => name !== "cli.md")];
  let checked = 0;
  for (const name of pages) {
    for (const words of documentedCommands(page(name))) {
      const command = commandOf(program, words);
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      const flags = words.filter((word) => /^--?[a-z]/.test(word));
      const unknown = flags.filter((flag) => !known.includes(flag.replace(/=.*/, "")));
      t.same(unknown, [], `${name}: ${words.join(" ")}`);
      checked++;
    }
  }
  t.ok(checked > 30, `${checked} commands`);
});

t.test("docs/errors.md lists exactly the codes of the registry", async (t) => {
  const text = page("errors.md");
  t.equal(text, fillGenerated(text, "errors", errorTable()));
  const codes = new Set(text.match(/\bE_[A-Z_]+\b/g));
  t.same([...codes].sort(), Object.keys(registry).sort());
});

t.test("every error is one line with code and remedy", async (t) => {
  for (const [code, entry] of Object.entries(registry)) {
    const names = `${entry.message} ${entry.remedy}`.match(/(?<=\{)\w+(?=\})/g) ?? [];
    const values = Object.fromEntries(names.map((name) => [name, "some value"]));
    const line = new MedcossError(code as keyof typeof registry, values).toLine();
    t.match(line, new RegExp(`^${code}: .+\\. .+[^{}]$`));
    t.notMatch(line, /[{}]/);
  }
  const open = new MedcossError("E_CLOSED");
  t.equal(open.message, "The {what} is closed", "a missing value stays visible");
});
