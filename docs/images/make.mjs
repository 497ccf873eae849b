/**
 * Makes the README's picture from the reconstructions of a finished demo: one row of each picture modality.
 * `node docs/images/make.mjs medcoss-demo/run`
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

const CELL = 200;
const GAP = 4;
const HEADER = 24;
/** Stage, edge of its cells, and the row of its triptych that is shown. */
const rows = [
  ["02-xray", 224, 0],
  ["03-ct", 192, 1],
  ["04-mri", 192, 1],
  ["05-pathology", 224, 0],
];

const run = process.argv[2] ?? "medcoss-demo/run";
const columns = [0, 1, 2];
const parts = [];

function triptych(stage) {
  const folder = join(run, "stages", stage, "reconstructions");
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".png")));
}

/** Half of the rows lie on the left, half on the right; both sides keep the header of their columns. */
for (const [i, [stage, edge, row]] of rows.entries()) {
  const side = i % 2;
  const line = Math.floor(i / 2);
  for (const column of columns) {
    const left = GAP + column * (edge + GAP);
    const place = { left: GAP + (side * 3 + column) * (CELL + GAP) + side * 12, top: HEADER + line * (CELL + GAP) };
    const cell = sharp(triptych(stage)).extract({ left, top: HEADER + row * (edge + GAP), width: edge, height: edge });
    parts.push({ input: await cell.resize(CELL, CELL).png().toBuffer(), ...place });
    if (line > 0) continue;
    const label = sharp(triptych(stage)).extract({ left, top: 0, width: edge, height: HEADER });
    const labelLeft = place.left + Math.floor((CELL - edge) / 2);
    parts.push({ input: await label.png().toBuffer(), left: Math.max(0, labelLeft), top: 0 });
  }
}

const size = { width: 6 * (CELL + GAP) + GAP + 12, height: HEADER + 2 * (CELL + GAP), channels: 3 };
const image = sharp({ create: { ...size, background: { r: 24, g: 24, b: 27 } } }).composite(parts);
await image.removeAlpha().png({ palette: true, quality: 90, compressionLevel: 9 }).toFile("docs/images/reconstructions.png");
