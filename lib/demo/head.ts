/**
 * The anatomy of a head as tissues, shared by the CT and the MRI phantoms.
 *
 * Invariant: one tissue a voxel; each modality decides how a tissue looks.
 */
import { Dice } from "./dice.js";
import { Grid, type Vector } from "./grid.js";
import { Texture } from "./noise.js";

export const Tissue = {
  air: 0,
  skin: 1,
  fat: 2,
  muscle: 3,
  bone: 4,
  marrow: 5,
  fluid: 6,
  grey: 7,
  white: 8,
  deepGrey: 9,
  lesion: 10,
  eye: 11,
  lens: 12,
} as const;

interface Head {
  radii: Vector;
  cosine: number;
  sine: number;
  shift: Vector;
  ventricles: number;
  texture: Texture;
  lesion?: { at: Vector; radius: number };
}

function drawHead(dice: Dice): Head {
  const angle = dice.normal(0, 0.05);
  const head: Head = {
    radii: [dice.between(70, 77), dice.between(88, 97), dice.between(96, 106)],
    cosine: Math.cos(angle),
    sine: Math.sin(angle),
    shift: [dice.normal(0, 3), dice.normal(0, 3), dice.normal(-4, 3)],
    ventricles: dice.between(0.75, 1.5),
    texture: new Texture(dice),
  };
  if (dice.chance(0.35)) {
    const side = dice.pick([-1, 1]);
    head.lesion = {
      at: [side * dice.between(22, 42), dice.between(-35, 40), dice.between(-5, 45)],
      radius: dice.between(8, 18),
    };
  }
  return head;
}

/** Whether a point given from the centre lies within radii. Plain numbers: this runs for every voxel. */
function within(x: number, y: number, z: number, rx: number, ry: number, rz: number): boolean {
  if (x > rx || x < -rx || z > rz || z < -rz) return false;
  const u = x / rx;
  const v = y / ry;
  const w = z / rz;
  return u * u + v * v + w * w < 1;
}

/** Lateral ventricles as two horns each, and the third ventricle. */
function isVentricle(u: number, y: number, z: number, size: number): boolean {
  if (u < 2.2 * size && Math.abs(y - 2) < 14 && z > -8 && z < 16) return true;
  const front = u - 6 + 0.28 * (y + 18) + (z - 22) * 0.1;
  if ((front / (5.5 * size)) ** 2 + ((y + 18) / 21) ** 2 + ((z - 20) / (11 * size)) ** 2 < 1)
    return true;
  const back = u - 15 - 0.3 * (y - 22);
  return (back / (6.5 * size)) ** 2 + ((y - 22) / 25) ** 2 + ((z - 18) / (12 * size)) ** 2 < 1;
}

/** Cerebellum with its leaves, and the brain stem; undefined above the tentorium and beside them. */
function hindbrain(x: number, y: number, z: number, texture: Texture): number | undefined {
  if (within(x, y - 10, z + 34, 14, 13, 40)) return Tissue.white;
  if (within(x, y - 23, z + 30, 6, 5, 12)) return Tissue.fluid;
  if (!within(x, y - 46, z + 38, 55, 38, 27)) return undefined;
  const bend = 2.5 * texture.at(x / 14, y / 14) + 0.004 * x * x;
  const leaf = Math.sin(0.8 * (y - bend) + 0.7 * z);
  if (leaf > 0.93) return Tissue.fluid;
  return leaf > -0.2 || Math.abs(x) > 44 ? Tissue.grey : Tissue.white;
}

/** Folded cortex over white matter, with the deep nuclei. */
function forebrain(x: number, y: number, z: number, depth: number, head: Head): number {
  const u = Math.abs(x);
  if (isVentricle(u, y, z, head.ventricles)) return Tissue.fluid;
  if (u < 1.3 && (depth < 34 || Math.abs(y) > 42)) return Tissue.fluid;
  if (within(u - 12, y - 6, z - 8, 8, 14, 10)) return Tissue.deepGrey;
  if (within(u - 24, y + 6, z - 8, 7, 18, 11)) return Tissue.deepGrey;
  if (within(u - 12, y + 26, z - 14, 5, 9, 10)) return Tissue.deepGrey;
  const fold = Math.abs(
    head.texture.at3(x / 9 + 50, y / 9, z / 12) + 0.3 * head.texture.at(x / 5, y / 5),
  );
  const reach = 34 + 6 * head.texture.at3(x / 24, y / 24, z / 24);
  if (depth < reach && fold < 0.06) return Tissue.fluid;
  if (depth < 18 || u < 4.5 || (depth < reach && fold < 0.27)) return Tissue.grey;
  return Tissue.white;
}

/** Face, base of the skull and neck, below the brain. */
function face(x: number, y: number, z: number, depth: number, texture: Texture): number {
  const u = Math.abs(x);
  if (within(u - 31, y + 68, z + 32, 13, 13, 13)) {
    return within(u - 31, y + 79, z + 32, 6, 3, 6) ? Tissue.lens : Tissue.eye;
  }
  if (within(u - 31, y + 54, z + 32, 17, 27, 16)) return Tissue.fat;
  if (u < 13 && y < -40 && y > -80 && u > 2)
    return texture.at3(x / 4, y / 6, z / 6) > 0.35 ? Tissue.bone : Tissue.air;
  if (within(u - 30, y + 58, z + 62, 15, 18, 16)) return Tissue.air;
  if (within(u, y + 22, z + 38, 12, 12, 9)) return Tissue.air;
  if (within(u - 50, y - 24, z + 38, 14, 13, 12)) {
    return texture.at3(x / 3, y / 3, z / 3) > 0.2 ? Tissue.air : Tissue.bone;
  }
  const ridge = Math.abs(y + 12 - 0.5 * u) < 8 && u > 14 && z > -50;
  if (ridge || z > -33 - 0.16 * y + 2 * texture.at(x / 15, y / 15)) return Tissue.bone;
  if (within(u, y - 18, z + 70, 15, 12, 60)) return u < 7 ? Tissue.marrow : Tissue.bone;
  if (depth < 9) return Tissue.fat;
  return texture.at3(x / 14, y / 14, z / 20) > 0.25 ? Tissue.fat : Tissue.muscle;
}

/** Skin, fat under it, and the three layers of the vault, by depth in millimetres. */
function shell(depth: number, thin: boolean): number {
  if (depth < 1.8) return Tissue.skin;
  if (depth < 6) return Tissue.fat;
  if (thin) return Tissue.muscle;
  if (depth < 8 || depth > 10.2) return Tissue.bone;
  return Tissue.marrow;
}

function tissueAt(px: number, py: number, pz: number, head: Head): number {
  const x = head.cosine * (px - head.shift[0]) - head.sine * (py - head.shift[1]);
  const y = head.sine * (px - head.shift[0]) + head.cosine * (py - head.shift[1]);
  const z = pz - head.shift[2];
  const [a, b, c] = head.radii;
  const u = x / (a * (1 + (0.07 * y) / b));
  const v = y / b;
  const w = z > 0 ? z / c : (z / c) * 0.55;
  const q = u * u + v * v + w * w;
  if (q > 1) {
    const nose =
      Math.abs(x) < 9 + 0.25 * (y + b) && z < -36 && z > -66 && y > -b - 16 && y < -b + 14;
    return nose ? Tissue.skin : Tissue.air;
  }
  const depth = (1 - Math.sqrt(q)) * 88;
  const petrous = -6 + 0.5 * Math.abs(x) + 4 * head.texture.at(x / 18, z / 18);
  const below = z < -30 - 0.16 * y && y < petrous;
  const neck = z < -62;
  if (depth < 12.4) return shell(depth, below || neck || z < -46);
  if (below || neck) return face(x, y, z, depth, head.texture);
  if (depth < 14.6) return Tissue.fluid;
  if (head.lesion) {
    const { at, radius } = head.lesion;
    const rough = radius * (1 + 0.3 * head.texture.at3(x / 9, y / 9, z / 9));
    if (within(x - at[0], y - at[1], z - at[2], rough, rough, rough)) return Tissue.lesion;
  }
  if (z < -8 && y > -6) {
    const tissue = hindbrain(x, y, z, head.texture);
    if (tissue !== undefined) return tissue;
    if (z < -40) return Tissue.fluid;
  }
  return forebrain(x, y, z, depth, head);
}

/** Whether a row of voxels surely passes the head and its nose by. */
function rowIsEmpty(py: number, pz: number, head: Head): boolean {
  const z = pz - head.shift[2];
  const v = Math.max(0, Math.abs(py - head.shift[1]) - 30) / head.radii[1];
  const w = z > 0 ? z / head.radii[2] : 0;
  return v * v + w * w > 1;
}

/** A head on a grid, with the tissue of each voxel; `series` and `index` draw it. */
export function headPhantom(
  seed: number,
  series: string,
  index: number,
  size: Vector,
  spacing: Vector,
): { grid: Grid; tissues: Uint8Array; dice: Dice } {
  const dice = new Dice(seed, series, index);
  const head = drawHead(dice);
  const grid = new Grid(size, spacing);
  const tissues = new Uint8Array(grid.data.length);
  let at = 0;
  for (let k = 0; k < size[2]; k++) {
    const z = grid.position(2, k) + 14;
    for (let j = 0; j < size[1]; j++) {
      const y = grid.position(1, j);
      const empty = rowIsEmpty(y, z, head);
      for (let i = 0; i < size[0]; i++, at++) {
        if (!empty) tissues[at] = tissueAt(grid.position(0, i), y, z, head);
      }
    }
  }
  return { grid, tissues, dice };
}
