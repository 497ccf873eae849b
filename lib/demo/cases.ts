/**
 * The imagined chest patients of the demo: what is in the thorax, told once.
 *
 * Invariant: a report and an X-ray with the same number describe the same case.
 */
import { Dice } from "./dice.js";

export type Side = "left" | "right";
export type Lobe = "upper" | "mid" | "lower";

/** Findings and build of one patient. */
export interface ChestCase {
  id: string;
  /** Heart width over chest width. */
  heart: number;
  effusion?: { side: Side /** Share of the lung's height. */; size: number };
  opacity?: {
    side: Side;
    lobe: Lobe /** 0 faint to 1 dense. */;
    strength: number;
  };
  edema: boolean;
  catheter: boolean;
  pacemaker: boolean;
  scoliosis: boolean;
  hyperinflated: boolean;
}

const sides = ["left", "right"] as const;
const lobes = ["upper", "mid", "lower"] as const;

/** Case `index` of a corpus. */
export function chestCase(seed: number, index: number): ChestCase {
  const dice = new Dice(seed, "chest-case", index);
  const large = dice.chance(0.3);
  const ill: ChestCase = {
    id: `case${String(index).padStart(4, "0")}`,
    heart: large ? dice.between(0.55, 0.64) : dice.between(0.4, 0.5),
    edema: large && dice.chance(0.4),
    catheter: dice.chance(0.15),
    pacemaker: large && dice.chance(0.25),
    scoliosis: dice.chance(0.12),
    hyperinflated: !large && dice.chance(0.2),
  };
  if (dice.chance(large ? 0.45 : 0.2)) {
    ill.effusion = { side: dice.pick(sides), size: dice.between(0.08, 0.4) };
  }
  if (dice.chance(0.35)) {
    ill.opacity = {
      side: dice.pick(sides),
      lobe: dice.pick(lobes),
      strength: dice.between(0.35, 1),
    };
  }
  return ill;
}

/** Whether a reader would call the heart enlarged. */
export function isEnlarged(chest: ChestCase): boolean {
  return chest.heart > 0.52;
}
