/** Golden values of the published model in float32, with the tolerances of the directory. */
import { runGolden } from "../../../lib/golden/run.js";
import { device, Part } from "../part.mjs";

const part = new Part("golden");

await part.attempt("golden values", async () => {
  const report = await runGolden("test/fixtures/golden", { device });
  for (const { case: name, checks, failed, worst } of report.cases) {
    const share = worst.share.toFixed(4);
    part.claim(failed === 0, name, `${checks - failed} of ${checks} within their limits`);
    part.row("worst deviations", { case: name, of: worst.name, "share of limit": share });
  }
  for (const failure of report.failures.slice(0, 20)) {
    const { case: name, name: what, deviation, limit } = failure;
    part.row("failures", { case: name, what, deviation, limit });
  }
});
