/** What ptxas said of each kernel when this build was made: nothing is spilled on any target. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Part } from "../part.mjs";
import { kernelsIn, plainName } from "../ptxas.mjs";

/** Of the package; their names are plain. */
const REPORTS = "ptxas";
/** The target whose figures are shown. */
const SHOWN = "90a";

const part = new Part("kernels");
const files = existsSync(REPORTS) ? readdirSync(REPORTS).sort() : [];
const all = files.flatMap((name) => kernelsIn(readFileSync(join(REPORTS, name), "utf8")));

for (const { kernel, target, registers, shared, spilled } of all) {
  if (target !== SHOWN) continue;
  part.row(`kernels for sm_${SHOWN}`, {
    ...{ kernel: `\`${plainName(kernel)}\``, registers },
    ...{ "static shared memory, bytes": shared, "spilled, bytes": spilled },
  });
}
const targets = [...new Set(all.map(({ target }) => `sm_${target}`))].join(", ");
const spilling = all.filter(({ spilled }) => spilled > 0);
const names = spilling.map(({ kernel, target }) => `${plainName(kernel)} for sm_${target}`);
part.claim(
  all.length > 0 && spilling.length === 0,
  "no kernel spills registers",
  names.join(", ") || `${all.length} in all, for ${targets}`,
);
