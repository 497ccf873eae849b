/**
 * A volume to paint on, in millimetres.
 *
 * Invariant: axes follow patient directions (x to the left, y to the back, z to the head), the origin lies in the
 * middle, and x runs fastest in memory.
 */

export type Vector = readonly [number, number, number];

/** Voxels with their size. */
export class Grid {
  readonly data: Float32Array;
  readonly size: Vector;
  readonly spacing: Vector;

  constructor(size: Vector, spacing: Vector) {
    this.size = size;
    this.spacing = spacing;
    this.data = new Float32Array(size[0] * size[1] * size[2]);
  }

  /** Millimetres of voxel `index` along an axis. */
  position(axis: 0 | 1 | 2, index: number): number {
    return (index - (this.size[axis] - 1) / 2) * this.spacing[axis];
  }

  /** First and last voxel of an axis within [low, high] millimetres. */
  #span(axis: 0 | 1 | 2, low: number, high: number): [number, number] {
    const middle = (this.size[axis] - 1) / 2;
    const first = Math.max(0, Math.ceil(low / this.spacing[axis] + middle));
    return [first, Math.min(this.size[axis] - 1, Math.floor(high / this.spacing[axis] + middle))];
  }

  /** Calls `change` for every voxel of a box with its position; it returns the new value. */
  paint(
    centre: Vector,
    reach: Vector,
    change: (x: number, y: number, z: number, old: number) => number,
  ): void {
    const [x0, x1] = this.#span(0, centre[0] - reach[0], centre[0] + reach[0]);
    const [y0, y1] = this.#span(1, centre[1] - reach[1], centre[1] + reach[1]);
    const [z0, z1] = this.#span(2, centre[2] - reach[2], centre[2] + reach[2]);
    for (let k = z0; k <= z1; k++) {
      const z = this.position(2, k);
      for (let j = y0; j <= y1; j++) {
        const y = this.position(1, j);
        const row = (k * this.size[1] + j) * this.size[0];
        for (let i = x0; i <= x1; i++) {
          const at = row + i;
          this.data[at] = change(this.position(0, i), y, z, this.data[at] as number);
        }
      }
    }
  }

  /** Blends an ellipsoid in; `angle` turns it about z, `soft` is the width of its edge in millimetres. */
  ellipsoid(centre: Vector, radii: Vector, value: number, angle = 0, soft = 2): void {
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    const reach = Math.max(radii[0], radii[1]);
    const smallest = Math.min(...radii);
    const box: Vector = angle === 0 ? radii : [reach, reach, radii[2]];
    this.paint(centre, box, (x, y, z, old) => {
      const dx = x - centre[0];
      const dy = y - centre[1];
      const u = (cosine * dx + sine * dy) / radii[0];
      const v = (cosine * dy - sine * dx) / radii[1];
      const w = (z - centre[2]) / radii[2];
      const q = u * u + v * v + w * w;
      if (q >= 1) return old;
      const weight = Math.min(1, ((1 - q) * 0.5 * smallest) / soft);
      return old + weight * (value - old);
    });
  }

  /** Blends in a tube from one point to another. */
  tube(from: Vector, to: Vector, radius: number, value: number): void {
    const d: Vector = [to[0] - from[0], to[1] - from[1], to[2] - from[2]];
    const squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    const middle: Vector = [from[0] + d[0] / 2, from[1] + d[1] / 2, from[2] + d[2] / 2];
    const reach: Vector = [
      Math.abs(d[0]) / 2 + radius,
      Math.abs(d[1]) / 2 + radius,
      Math.abs(d[2]) / 2 + radius,
    ];
    this.paint(middle, reach, (x, y, z, old) => {
      const [px, py, pz] = [x - from[0], y - from[1], z - from[2]];
      const along = (px * d[0] + py * d[1] + pz * d[2]) / (squared || 1);
      const t = Math.max(0, Math.min(1, along));
      const [ex, ey, ez] = [px - t * d[0], py - t * d[1], pz - t * d[2]];
      const distance = Math.sqrt(ex * ex + ey * ey + ez * ez);
      const weight = Math.min(1, Math.max(0, radius - distance));
      return old + weight * (value - old);
    });
  }

  /** In-plane blur with weights 1 2 1, as the finite resolution of a scanner. */
  blur(): void {
    const [width, height, depth] = this.size;
    for (const [step, count, lines, stride] of [
      [1, width, height * depth, width],
      [width, height, width, 1],
    ] as const) {
      const planes = step === 1 ? 1 : depth;
      for (let plane = 0; plane < planes; plane++) {
        for (let line = 0; line < lines; line++) {
          this.#blurLine(plane * width * height + line * stride, step, count);
        }
      }
    }
  }

  #blurLine(start: number, step: number, count: number): void {
    const { data } = this;
    let before = data[start] as number;
    for (let i = 0; i < count; i++) {
      const at = start + i * step;
      const here = data[at] as number;
      const next = i + 1 < count ? (data[at + step] as number) : here;
      data[at] = 0.25 * before + 0.5 * here + 0.25 * next;
      before = here;
    }
  }
}
