/**
 * What the README tells to do with data of one's own, done with the demo's files under the README's names.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The code block of a section. @param {string} text @param {string} title @param {string} language */
function block(text, title, language) {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
  const found = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(section)?.[1];
  if (found === undefined) throw new Error(`README.md has no ${language} under ${title}`);
  return found;
}

/**
 * @param {import("./libtorch.mjs").Run} run @param {import("./libtorch.mjs").Check} check
 * @param {string} root @param {{ project: string, folder: string, made: string }} places `folder` and `made`, what the
 * demo left, are inside the root
 */
export async function followReadme(run, check, root, { project, folder, made }) {
  const text = readFileSync(join(project, "README.md"), "utf8");
  const here = join(root, folder);
  mkdirSync(here);
  const data = `${made}/data`;
  const links = {
    "medcoss-demo": made,
    "reports.csv": `${data}/report/reports.csv`,
    XRAYS: `${data}/xray`,
    SCANS: `${data}/ct`,
    SLIDES: `${data}/pathology`,
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(here, name));
  const [pack = "", pretrain = ""] = block(text, "Your own data", "sh").split("\n");
  for (const command of [pack, `${pretrain} --dry-run`]) {
    const outcome = await run(command, folder);
    check(outcome.code === 0, `README: ${command}`, outcome.text);
  }
  writeFileSync(join(here, "example.mts"), block(text, "From TypeScript", "ts"));
  const example = await run("npx tsx example.mts", folder);
  const trained = example.code === 0 && example.text.includes("runs/xray/");
  check(trained, "README: npx tsx example.mts", example.text);
}
