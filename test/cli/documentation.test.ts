import { readFileSync } from "node:fs";
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

t.test("every command's examples name commands and options that there are", async (t) => {
  const program = await createProgram();
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
  for (const command of leaves(program)) {
    t.match(examplesOf(command), /^\nExamples?:\n/, command.name());
    for (const line of examplesOf(command).split("\n").slice(2)) {
      const words = line.trim().split(" ").slice(2);
      t.ok([command.name(), command.parent?.name()].includes(words[0]), line);
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      for (const flag of words.filter((word) => word.startsWith("-"))) {
        t.ok(known.includes(flag), `${flag} of ${line}`);
      }
    }
  }
  t.match(examplesOf(program), /medcoss demo/);
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
