import { readFileSync } from "node:fs";
import t from "tap";
import { packageRoot } from "../../lib/version.js";
import { recordings, recordLosses } from "../fixtures/losses/record.js";

const recorded = JSON.parse(
  readFileSync(`${packageRoot()}test/fixtures/losses/ten-steps.json`, "utf8"),
) as Record<string, number[]>;

// Seconds on a free machine; room for a busy one.
t.setTimeout(120_000);

for (const [name, recording] of Object.entries(recordings)) {
  t.test(
    `ten steps of tiny on ${name} give the recorded losses`,
    { timeout: 120_000 },
    async (t) => {
      const found = await recordLosses(recording);
      const expected = recorded[name] ?? [];
      t.equal(found.length, expected.length);
      for (const [step, loss] of expected.entries()) {
        const deviation = Math.abs((found[step] as number) / loss - 1);
        t.ok(deviation < 1e-4, `step ${step}: ${found[step]}, recorded ${loss}`);
      }
      t.ok((found.at(-1) as number) < (found[0] as number), "the loss falls");
    },
  );
}
