import t from "tap";
import { resample } from "../../lib/trainer.js";

type Triple = [number, number, number];
interface Grid {
  shape: Triple;
  size: Triple;
  scale: Triple;
  shift: Triple;
  outside?: number;
}

/** The definition, voxel by voxel in float64. */
function naive(voxels: Float32Array, { shape, size, scale, shift, outside }: Grid): number[] {
  const [, height, width] = shape;
  const at = (z: number, y: number, x: number) => voxels[(z * height + y) * width + x] as number;
  const result: number[] = [];
  for (let i = 0; i < size[0] * size[1] * size[2]; i++) {
    const index = [
      Math.floor(i / (size[1] * size[2])),
      Math.floor(i / size[2]) % size[1],
      i % size[2],
    ];
    const position = index.map((n, axis) => n * (scale[axis] as number) + (shift[axis] as number));
    const out = position.some((p, axis) => p < -0.5 || p >= (shape[axis] as number) - 0.5);
    let value = 0;
    for (let corner = 0; corner < 8; corner++) {
      let weight = 1;
      const voxel = position.map((p, axis) => {
        const inside = Math.min(Math.max(p, 0), (shape[axis] as number) - 1);
        const low = Math.floor(inside);
        const high = (corner >> axis) & 1;
        weight *= high ? inside - low : 1 - (inside - low);
        return Math.min(low + high, (shape[axis] as number) - 1);
      });
      value += weight * at(...(voxel as Triple));
    }
    result.push(out && outside !== undefined ? outside : value);
  }
  return result;
}

const shape: Triple = [5, 7, 6];
const voxels = Float32Array.from({ length: 210 }, (_, i) => Math.sin(i * 1.7) * 1000 + i);

t.test("equals the naive definition", async (t) => {
  const grids: Grid[] = [
    { shape, size: [5, 7, 6], scale: [1, 1, 1], shift: [0, 0, 0] },
    { shape, size: [9, 4, 13], scale: [0.5, 1.9, 0.47], shift: [0, 0.3, -0.2] },
    { shape, size: [9, 4, 13], scale: [0.6, 2.4, 0.6], shift: [-1, -0.7, 0], outside: -1024 },
    { shape, size: [3, 3, 3], scale: [4, 5, 6], shift: [-2, 8, 1] },
    { shape, size: [1, 1, 1], scale: [1, 1, 1], shift: [4.4, 6.4, 5.4], outside: 0 },
  ];
  for (const grid of grids) {
    const found = await resample({ voxels, ...grid });
    const worst = naive(voxels, grid).map((value, i) => Math.abs(value - (found[i] as number)));
    t.ok(Math.max(...worst) < 1e-3, `size ${grid.size}: ${Math.max(...worst)}`);
  }
});

t.test("the half voxel around the outermost centres is inside", async (t) => {
  const grid = { shape: [1, 1, 3] as Triple, size: [1, 1, 5] as Triple, outside: -9 };
  const found = await resample({
    voxels: Float32Array.of(1, 2, 3),
    ...grid,
    scale: [1, 1, 0.75],
    shift: [0, 0, -0.5],
  });
  t.same([...found], [1, 1.25, 2, 2.75, -9], "positions -0.5, 0.25, 1, 1.75, 2.5");
});

t.test("refuses what does not fit", async (t) => {
  const good = {
    voxels,
    shape,
    size: shape,
    scale: [1, 1, 1] as Triple,
    shift: [0, 0, 0] as Triple,
  };
  const wrong = [
    { shape: [5, 7, 7] as Triple },
    { size: [0, 1, 1] as Triple },
    { scale: [1, 1, Number.POSITIVE_INFINITY] as Triple },
    { shift: [0, 0] as unknown as Triple },
    { voxels: new Float64Array(210) as unknown as Float32Array },
    { outside: "zero" as unknown as number },
  ];
  for (const change of wrong) {
    await t.rejects(resample({ ...good, ...change }), { code: "E_ARGUMENT" });
  }
});
