import t from "tap";
import type { ChestCase } from "../../lib/demo/cases.js";
import { Dice } from "../../lib/demo/dice.js";
import { pathologyPhantom } from "../../lib/demo/pathology.js";
import { mriScan } from "../../lib/demo/scans.js";
import { xrayPhantom } from "../../lib/demo/xray.js";

const healthy: ChestCase = {
  ...{ id: "case0000", heart: 0.44, edema: false, catheter: false, pacemaker: false },
  ...{ scoliosis: false, hyperinflated: false },
};

/** Mean grey of a box given in shares of the picture. */
function mean(
  chest: ChestCase,
  [x0, y0, x1, y1]: readonly [number, number, number, number],
): number {
  const { width, height, pixels } = xrayPhantom(chest, 0, 5);
  let sum = 0;
  let count = 0;
  for (let y = Math.floor(y0 * height); y < y1 * height; y++) {
    for (let x = Math.floor(x0 * width); x < x1 * width; x++, count++) {
      sum += pixels[y * width + x] as number;
    }
  }
  return sum / count;
}

const rightLung = [0.25, 0.4, 0.38, 0.55] as const;
const leftBase = [0.64, 0.62, 0.76, 0.72] as const;

t.test("lungs are darker than the spine, and disease shows on its side", (t) => {
  const clear = mean(healthy, rightLung);
  t.ok(clear + 40 < mean(healthy, [0.47, 0.4, 0.53, 0.55]), "spine");
  const opacity = { side: "right", lobe: "mid", strength: 1 } as const;
  t.ok(mean({ ...healthy, opacity }, rightLung) > clear + 10, "consolidation");
  const effusion = { side: "left", size: 0.4 } as const;
  t.ok(mean({ ...healthy, effusion }, leftBase) > mean(healthy, leftBase) + 10, "effusion");
  t.ok(
    Math.abs(mean({ ...healthy, effusion }, rightLung) - clear) < 4,
    "the other side is as before",
  );
  t.end();
});

t.test("devices, edema and scoliosis change the picture", (t) => {
  const plain = xrayPhantom(healthy, 0, 5).pixels;
  for (const change of [
    { pacemaker: true },
    { catheter: true },
    { edema: true },
    { scoliosis: true },
  ]) {
    const { pixels } = xrayPhantom({ ...healthy, ...change }, 0, 5);
    t.notOk(Buffer.from(plain).equals(Buffer.from(pixels)), Object.keys(change)[0] as string);
  }
  t.end();
});

t.test("sections are pink with purple nuclei and light lumina", (t) => {
  const { pixels } = pathologyPhantom(0, 1);
  let [pink, purple, light] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 3) {
    const [r, g, b] = [pixels[i] as number, pixels[i + 1] as number, pixels[i + 2] as number];
    if (r > 220 && g > 215 && b > 220) light++;
    else if (r > b && r > g + 20) pink++;
    else if (b > r && b > g + 15) purple++;
  }
  const total = pixels.length / 3;
  t.ok(
    pink / total > 0.3 && purple / total > 0.05 && light / total > 0.01,
    `${[pink, purple, light]}`,
  );
  t.end();
});

t.test("MRI comes with both weightings: ventricles darker or brighter than the brain", (t) => {
  const ventriclesOverBrain = (index: number) => {
    const { size, voxels } = mriScan(0, index);
    const box: number[] = [];
    for (let y = size[1] * 0.35; y < size[1] * 0.6; y++) {
      const row = (Math.floor(size[2] * 0.52) * size[1] + Math.floor(y)) * size[0];
      for (let x = size[0] * 0.3; x < size[0] * 0.7; x++)
        box.push(voxels[row + Math.floor(x)] ?? 0);
    }
    box.sort((a, b) => a - b);
    const at = (share: number) => box[Math.floor(share * box.length)] as number;
    return { dark: at(0.03) / at(0.5), bright: at(0.97) / at(0.5) };
  };
  const [t1, t2] = [ventriclesOverBrain(0), ventriclesOverBrain(2)];
  t.ok(t1.dark < 0.5 && t1.bright < 1.6, JSON.stringify(t1));
  t.ok(t2.dark > 0.6 && t2.bright > 1.8, JSON.stringify(t2));
  t.end();
});

t.test("dice: the same name and item give the same draws", (t) => {
  const draws = (name: string, item: number) => {
    const dice = new Dice(2 ** 31, name, item);
    return Array.from({ length: 9 }, () => dice.word());
  };
  t.same(draws("a", 1), draws("a", 1));
  t.notSame(draws("a", 1), draws("a", 2));
  t.notSame(draws("a", 1), draws("b", 1));
  const dice = new Dice(0, "spread");
  const normals = Array.from({ length: 4000 }, () => dice.normal(2, 3));
  const average = normals.reduce((sum, value) => sum + value, 0) / normals.length;
  const spread = Math.sqrt(
    normals.reduce((sum, v) => sum + (v - average) ** 2, 0) / normals.length,
  );
  t.ok(Math.abs(average - 2) < 0.2 && Math.abs(spread - 3) < 0.2, `${average} ${spread}`);
  t.end();
});
