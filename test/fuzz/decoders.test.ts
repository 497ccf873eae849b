import { join } from "node:path";
import t from "tap";
import { packageRoot } from "../helpers/package-root.js";
import { fuzz } from "./run.js";
import { targetNames } from "./target.js";

t.setTimeout(200_000);

t.test("1,000 changed files: none crashes, hangs or ends in an unknown error", async (t) => {
  const inputs = Math.ceil(1000 / targetNames.length);
  const keep = join(packageRoot, "build/fuzz");
  const reports = await fuzz({ targets: targetNames, inputs, seed: 1, processes: 2, keep });
  t.equal(reports.length, targetNames.length);
  for (const { target, outcomes, failures } of reports) {
    t.same(failures, [], target);
    const total = Object.values(outcomes).reduce((a, b) => a + b, 0);
    t.ok(total >= inputs && (outcomes.read ?? 0) > 0, `${target}: ${JSON.stringify(outcomes)}`);
  }
});
