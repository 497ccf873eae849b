import t from "tap";
import { chestCase, isEnlarged } from "../../lib/demo/cases.js";
import { writeReport } from "../../lib/demo/reports.js";

const cases = Array.from({ length: 300 }, (_, index) => ({ index, chest: chestCase(1, index) }));

t.test("a report states what its case holds", (t) => {
  for (const { index, chest } of cases) {
    const { findings, impression } = writeReport(chest, 1, index);
    const text = `${findings} ${impression}`.toLowerCase();
    const name = `${chest.id}: ${text}`;
    if (chest.effusion) t.match(text, `${chest.effusion.side}`, name);
    if (chest.effusion) t.match(impression, /pleural effusion/, name);
    else t.notMatch(impression, /pleural effusion/, name);
    t.equal(/cardiomegaly/i.test(impression), isEnlarged(chest), name);
    if (chest.opacity) t.match(text, `${chest.opacity.side} ${chest.opacity.lobe}`, name);
    else t.notMatch(text, /consolidation in|opacity in|shows/, name);
    t.equal(/pacemaker/.test(text), chest.pacemaker, name);
    t.equal(/catheter/.test(text), chest.catheter, name);
    t.equal(/scoliosis/.test(text), chest.scoliosis, name);
  }
  t.end();
});

t.test("every finding occurs, and many cases are normal", (t) => {
  const share = (holds: (chest: (typeof cases)[number]["chest"]) => boolean) =>
    cases.filter(({ chest }) => holds(chest)).length / cases.length;
  t.ok(share((c) => c.effusion !== undefined) > 0.15);
  t.ok(share((c) => c.opacity !== undefined) > 0.2);
  t.ok(share((c) => c.edema) > 0.03);
  t.ok(share((c) => c.hyperinflated) > 0.05);
  t.ok(share((c) => !c.effusion && !c.opacity && !isEnlarged(c)) > 0.2);
  t.end();
});
