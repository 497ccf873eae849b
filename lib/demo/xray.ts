/**
 * A frontal chest X-ray of a case: attenuation along each ray through a body of simple solids.
 *
 * Invariant: lengths are in units of the picture's width; x to the right of the picture (the patient's left side), y
 * downwards; grey 0..255 with bone white, one byte per pixel.
 */
import type { ChestCase, Side } from "./cases.js";
import { Dice } from "./dice.js";
import { NOISE_MASK, ramp, Texture, whiteNoise } from "./noise.js";

/** A grey picture. */
export interface GreyImage {
  width: number;
  height: number;
  pixels: Uint8Array;
}

interface Pose {
  scale: number;
  shiftX: number;
  shiftY: number;
  cosine: number;
  sine: number;
  exposure: number;
  contrast: number;
  /** Height of the domes of the diaphragm. */
  base: number;
  ribGap: number;
  ribSlope: number;
  lungWidth: number;
  bend: number;
}

function drawPose(chest: ChestCase, dice: Dice): Pose {
  const angle = dice.normal(0, 0.03);
  return {
    scale: dice.between(0.92, 1.1),
    shiftX: dice.normal(0, 0.018),
    shiftY: dice.normal(0, 0.025),
    cosine: Math.cos(angle),
    sine: Math.sin(angle),
    exposure: dice.between(0.94, 1.1),
    contrast: dice.between(0.9, 1.15),
    base: dice.between(0.24, 0.3) + (chest.hyperinflated ? 0.05 : 0),
    ribGap: dice.between(0.07, 0.08),
    ribSlope: dice.between(0.3, 0.5),
    lungWidth: dice.between(0.155, 0.175),
    bend: chest.scoliosis ? dice.pick([-1, 1]) * 0.035 : dice.normal(0, 0.004),
  };
}

/** Length of a ray through an ellipsoid of depth 1 at its thickest; 0 outside. */
function chord(x: number, y: number, radiusX: number, radiusY: number): number {
  const u = x / radiusX;
  const v = y / radiusY;
  const q = u * u + v * v;
  return q < 1 ? Math.sqrt(1 - q) : 0;
}

/** |v| to the power of 2.5, without the slow general power. */
const power = (v: number) => v * v * Math.sqrt(Math.abs(v));

/** How much of a lung lies behind a point, 0 to 1. */
function lungAt(x: number, y: number, side: number, pose: Pose): number {
  const u = x * side - 0.19;
  const dome = pose.base - 0.055 * (1 - ((u + 0.02) / 0.17) ** 2) + (side > 0 ? 0.015 : 0);
  const cut = ramp(dome + 0.006, dome - 0.006, y);
  const top = (y + 0.06) / 0.36;
  const taper = y < 0 ? 1 - 0.3 * Math.max(0, -top) : 1;
  const radius = pose.lungWidth * taper;
  const q = power((u + (y < 0 ? -0.1 * y : 0)) / radius) + power(top);
  return q < 1 ? cut * Math.min(1, 1.6 * Math.sqrt(1 - q)) : 0;
}

/** Bone of the back and front ribs at a point of the thorax. */
function ribsAt(x: number, y: number, pose: Pose): number {
  const u = Math.abs(x);
  if (u < 0.03 || u > 0.4) return 0;
  let sum = 0;
  const fade = ramp(0.4, 0.35, u);
  const past = Math.max(0, u - 0.24);
  const inner = Math.sqrt(Math.max(0, u - 0.05));
  const back = y - pose.ribSlope * inner * inner * Math.sqrt(inner) - 3.2 * past * past;
  const backIndex = Math.round((back + 0.36) / pose.ribGap);
  if (backIndex >= 0 && backIndex < 10) {
    const d = Math.abs(back + 0.36 - backIndex * pose.ribGap);
    const half = 0.014;
    if (d < half)
      sum += 0.16 * (0.7 + 0.6 * ramp(half * 0.5, half * 0.85, d)) * ramp(half, half * 0.85, d);
  }
  const far = u - 0.36;
  const front = y + 0.75 * far - 2.2 * far * far;
  const frontIndex = Math.round((front + 0.2) / (pose.ribGap * 1.25));
  if (u > 0.12 && frontIndex >= 0 && frontIndex < 5) {
    const d = Math.abs(front + 0.2 - frontIndex * pose.ribGap * 1.25);
    sum += 0.07 * ramp(0.015, 0.012, d) * ramp(0.12, 0.17, u);
  }
  return sum * fade;
}

/** Vertebrae with discs between them, and the windpipe before them. */
function spineAt(x: number, y: number, pose: Pose): number {
  const u = x - pose.bend * Math.sin(3.4 * y + 0.8);
  const body = ramp(0.043, 0.036, Math.abs(u));
  const phase = Math.abs((((y + 2) / 0.062) % 1) - 0.5);
  const level = 0.13 + 0.07 * ramp(0.5, 0.4, phase);
  const process = 0.08 * chord(u, phase * 0.062 - 0.012, 0.008, 0.013);
  const air = y < -0.06 ? 0.3 * chord(u, 0, 0.019, 1) * ramp(-0.06, -0.1, y) : 0;
  return body * level + process - air;
}

/** Clavicles, as two bows from the breastbone to the shoulders. */
function claviclesAt(x: number, y: number): number {
  const u = Math.abs(x);
  if (u < 0.04 || u > 0.44) return 0;
  const centre = -0.29 - 0.06 * Math.sin((u - 0.04) * 6.5) - 0.05 * u;
  return 0.24 * ramp(0.016, 0.011, Math.abs(y - centre));
}

/** Heart, great vessels and the aortic knob. */
function heartAt(x: number, y: number, chest: ChestCase): number {
  const half = chest.heart * 0.345;
  const main = chord(x - 0.34 * half, y - 0.155 + 0.3 * (0.1 - x), half * 0.95, 0.15);
  const right = chord(x + 0.3 * half, y - 0.13, half * 0.62, 0.14);
  const vessels = chord(x - 0.005, y + 0.05, 0.068, 0.27);
  const knob = chord(x - 0.047, y + 0.1, 0.038, 0.042);
  return 0.75 * Math.max(main, right * 0.9) + 0.3 * vessels + 0.22 * knob;
}

const lobeHeight = { upper: -0.17, mid: 0.0, lower: 0.14 } as const;
const sign = (side: Side) => (side === "left" ? 1 : -1);

/** Fluid and consolidation in the lung. */
function diseaseAt(x: number, y: number, chest: ChestCase, texture: Texture, pose: Pose): number {
  let sum = 0;
  if (chest.opacity) {
    const { side, lobe, strength } = chest.opacity;
    const blur = texture.cloud(x * 22, y * 22, 3);
    const q = ((x - sign(side) * 0.2) / 0.1) ** 2 + ((y - lobeHeight[lobe]) / 0.085) ** 2;
    sum += 0.55 * strength * ramp(1.3, 0.2, q + 0.9 * blur);
  }
  if (chest.effusion && x * sign(chest.effusion.side) > 0) {
    const outer = ramp(0.1, 0.36, Math.abs(x));
    const level = pose.base - chest.effusion.size * (0.3 + 0.42 * outer * outer);
    sum += 0.75 * ramp(level - 0.015, level + 0.03, y);
  }
  if (chest.edema) {
    const hilum = ramp(0.24, 0.05, Math.hypot(Math.abs(x) - 0.1, y * 0.8));
    sum += hilum * (0.18 + 0.3 * texture.cloud(x * 34 + 9, y * 34, 3));
  }
  return sum;
}

/** Branching vessels: denser and coarser close to the hilum. */
function markingsAt(x: number, y: number, texture: Texture): number {
  const u = Math.abs(x) - 0.085;
  const radius = Math.hypot(u, y * 0.9);
  const angle = Math.atan2(y, u + 1e-6) + 0.25 * texture.at(x * 14, y * 14);
  const branch = texture.at(angle * 7 + (x > 0 ? 40 : 0), radius * 5 + 20);
  const fine = texture.cloud(x * 48, y * 48, 2);
  return ramp(0.3, 0.03, radius) * (0.2 * ramp(0.1, 0.6, branch) + 0.1 * fine) + 0.03 * fine;
}

/** Lines and a generator box, much denser than bone. */
function devicesAt(x: number, y: number, chest: ChestCase): number {
  let sum = 0;
  if (chest.catheter && y < 0.02) {
    const centre = -0.045 - 0.35 * Math.max(0, -y - 0.22);
    sum += 0.4 * ramp(0.006, 0.003, Math.abs(x - centre));
  }
  if (chest.pacemaker) {
    const box = Math.max(Math.abs(x - 0.25) / 0.042, Math.abs(y + 0.235) / 0.036);
    sum += 1.1 * ramp(1.04, 0.96, box);
    if (y > -0.24 && y < 0.2) {
      const lead = 0.05 + 0.17 * ramp(-0.1, -0.24, y) + 0.03 * Math.sin(9 * y);
      sum += 0.5 * ramp(0.006, 0.003, Math.abs(x - lead));
    }
  }
  return sum;
}

/** Total attenuation along the ray at (x, y), in arbitrary units around 1. */
function attenuation(x: number, y: number, chest: ChestCase, pose: Pose, texture: Texture): number {
  const shoulder = 0.3 + 0.2 * ramp(-0.5, -0.2, y) - 0.02 * ramp(-0.1, 0.3, y);
  const wide = (x / shoulder) * (x / shoulder);
  const body = 1.12 * Math.sqrt(Math.max(0, 1 - wide * wide));
  if (body === 0) return 0;
  const neck = y < -0.34 ? 0.25 * ramp(0.13, 0.09, Math.abs(x)) : 0;
  const lung = x > 0 ? lungAt(x, y, 1, pose) : lungAt(x, y, -1, pose);
  const heart = heartAt(x, y, chest);
  const fill = lung > 0 ? Math.min(1, diseaseAt(x, y, chest, texture, pose)) : 0;
  const air = lung * (0.86 - 0.62 * Math.min(1, heart)) * (1 - 0.9 * fill);
  const belly = 0.3 * ramp(pose.base - 0.02, pose.base + 0.1, y);
  let sum = body + neck + belly + 0.35 * heart - air;
  sum += ribsAt(x, y, pose) + spineAt(x, y, pose) + claviclesAt(x, y) + devicesAt(x, y, chest);
  if (lung > 0.1) sum += lung * markingsAt(x, y, texture);
  return sum + 0.03 * texture.cloud(x * 9, y * 9, 2);
}

const FILM_STEPS = 4095;
const FILM_PER_UNIT = FILM_STEPS / 4;

/** Grey of each attenuation from 0 to 4. */
function filmCurve(pose: Pose): Float32Array {
  return Float32Array.from({ length: FILM_STEPS + 1 }, (_, i) => {
    const shade = 1 - Math.exp((-1.25 * pose.exposure * i) / FILM_PER_UNIT);
    return 22 + 250 * shade ** (1.35 * pose.contrast);
  });
}

/** The X-ray of a case; `index` draws its pose, build and noise. */
export function xrayPhantom(chest: ChestCase, seed: number, index: number): GreyImage {
  const dice = new Dice(seed, "xray", index);
  const pose = drawPose(chest, dice);
  const film = filmCurve(pose);
  const texture = new Texture(dice);
  const noise = whiteNoise(dice);
  const width = 216 + 8 * dice.below(4);
  const height = width + 8 * (dice.below(3) - 1);
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const offset = dice.word() & NOISE_MASK;
    const v = (row / width - (0.5 * height) / width) / pose.scale - pose.shiftY;
    for (let column = 0; column < width; column++) {
      const u = (column / width - 0.5) / pose.scale - pose.shiftX;
      const x = pose.cosine * u - pose.sine * v;
      const y = pose.sine * u + pose.cosine * v;
      const ray = attenuation(x, y, chest, pose, texture);
      const grey = film[Math.min(FILM_STEPS, Math.max(0, ray) * FILM_PER_UNIT) | 0] as number;
      const grain = 2.6 * (noise[(offset + column) & NOISE_MASK] as number);
      pixels[row * width + column] = Math.max(0, Math.min(255, grey + grain));
    }
  }
  return { width, height, pixels };
}
