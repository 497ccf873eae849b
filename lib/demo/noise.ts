/**
 * Textures of the phantoms: white noise from a table, and smooth value noise on a lattice.
 *
 * Invariant: both repeat (16,384 values; 256 lattice points an axis), far beyond what one picture shows.
 */
import type { Dice } from "./dice.js";

/** For the index into white noise. */
export const NOISE_MASK = 0x3fff;

/** Standard normal values, long enough that rows with other offsets look independent. */
export function whiteNoise(dice: Dice): Float32Array {
  return Float32Array.from({ length: NOISE_MASK + 1 }, () => dice.normal());
}

/** Smooth noise in about [-1, 1] with features of size 1. */
export class Texture {
  readonly #values = new Float32Array(256);
  readonly #order = new Uint8Array(256);

  constructor(dice: Dice) {
    for (let i = 0; i < 256; i++) {
      this.#values[i] = dice.between(-1, 1);
      this.#order[i] = i;
    }
    for (let i = 255; i > 0; i--) {
      const j = dice.below(i + 1);
      const swap = this.#order[i] as number;
      this.#order[i] = this.#order[j] as number;
      this.#order[j] = swap;
    }
  }

  #plane(x: number, y: number, layer: number): number {
    const x0 = Math.floor(x);
    const y0 = Math.floor(y);
    const fx = x - x0;
    const fy = y - y0;
    const sx = fx * fx * (3 - 2 * fx);
    const sy = fy * fy * (3 - 2 * fy);
    const order = this.#order;
    const values = this.#values;
    const a = order[((order[(y0 + layer) & 255] as number) + x0) & 255] as number;
    const b = order[((order[(y0 + layer) & 255] as number) + x0 + 1) & 255] as number;
    const c = order[((order[(y0 + 1 + layer) & 255] as number) + x0) & 255] as number;
    const d = order[((order[(y0 + 1 + layer) & 255] as number) + x0 + 1) & 255] as number;
    const top = (values[a] as number) * (1 - sx) + (values[b] as number) * sx;
    const bottom = (values[c] as number) * (1 - sx) + (values[d] as number) * sx;
    return top * (1 - sy) + bottom * sy;
  }

  /** Value at a point of the plane. */
  at(x: number, y: number): number {
    return this.#plane(x, y, 0);
  }

  /** Value at a point of space. */
  at3(x: number, y: number, z: number): number {
    const z0 = Math.floor(z);
    const fz = z - z0;
    const sz = fz * fz * (3 - 2 * fz);
    const low = this.#order[z0 & 255] as number;
    const high = this.#order[(z0 + 1) & 255] as number;
    return this.#plane(x, y, low) * (1 - sz) + this.#plane(x, y, high) * sz;
  }

  /** Sum of octaves, each of half the size and half the strength of the one before. */
  cloud(x: number, y: number, octaves: number): number {
    let sum = 0;
    let strength = 0.5;
    for (let octave = 0; octave < octaves; octave++) {
      sum += strength * this.at(x + 37.3 * octave, y + 11.9 * octave);
      x *= 2;
      y *= 2;
      strength *= 0.5;
    }
    return sum;
  }
}

/** 0 below `from`, 1 above `to`, smooth between; `from` may be the larger one. */
export function ramp(from: number, to: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
}
