import { readFileSync } from "node:fs";
import t from "tap";
import ts from "typescript";
import { loadBinding } from "../../lib/native/load.js";
import { packageRoot } from "../../lib/version.js";
import { microOptions } from "../helpers/trainer.js";

interface Member {
  name: string;
  comment: string;
  promised: boolean;
}

const path = `${packageRoot()}lib/native/types.ts`;
const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);

function membersOf(name: string): Member[] {
  const found = source.statements.find(
    (node) => ts.isInterfaceDeclaration(node) && node.name.text === name,
  );
  if (!found) throw new Error(`no interface ${name}`);
  return (found as ts.InterfaceDeclaration).members.map((member) => ({
    name: member.name?.getText(source) ?? "",
    comment: ts
      .getJSDocCommentsAndTags(member)
      .map((tag) => tag.getText(source))
      .join(" "),
    promised: ts.isMethodSignature(member) && /^Promise</.test(member.type?.getText(source) ?? ""),
  }));
}

t.test("the addon exports what the contract declares", async (t) => {
  const binding = loadBinding();
  const declared = membersOf("NativeBinding").map((member) => member.name);
  t.same(Object.keys(binding).sort(), declared.sort());
});

t.test("a trainer has the methods that the contract declares", async (t) => {
  const { Trainer } = loadBinding();
  const declared = membersOf("NativeTrainer").map((member) => member.name);
  const methods = Object.getOwnPropertyNames(Trainer.prototype).filter((n) => n !== "constructor");
  t.same(methods.sort(), declared.sort());
});

t.test("each method says whether it is sync or async, and is", async (t) => {
  const methods = [...membersOf("NativeBinding"), ...membersOf("NativeTrainer")];
  for (const { name, comment, promised } of methods.filter((one) => one.name !== "Trainer")) {
    t.match(comment, promised ? /\basync\b/ : /\bsync\b/, name);
  }
  const trainer = new (loadBinding().Trainer)(microOptions());
  for (const { name } of membersOf("NativeTrainer")) {
    const method = Reflect.get(trainer, name) as () => Promise<unknown>;
    const result = method.call(trainer);
    t.ok(result instanceof Promise, `${name} gives a promise`);
    await result.catch(() => {});
  }
});

t.test("build facts", async (t) => {
  const info = loadBinding().buildInfo();
  t.match(info, { addon: /^\d+\.\d+\.\d+/, libtorch: /^2\.11\.\d+$/, cpuCapability: /./ });
  t.type(info.bf16Hardware, "boolean");
  t.ok(info.threads >= 1);
});
