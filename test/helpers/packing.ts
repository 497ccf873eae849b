/** Configurations and a plain resampler for tests of the data code. */
import { packSchema, type ResolvedPack } from "../../lib/config/pack.js";
import { parseConfig } from "../../lib/config/parse.js";
import type { Resample } from "../../lib/data/preprocess/volume.js";

/** The configuration with all defaults and one source. */
export function packDefaults(changes: Record<string, unknown> = {}): ResolvedPack {
  const sources = [{ modality: "xray", recipe: "xray", path: "x" }];
  return parseConfig(packSchema, { out: "store", sources, ...changes });
}

/** Trilinear resampling as the contract of the addon words it, in double precision. */
export const resampleReference: Resample = async (options) => {
  const { voxels, shape, size, scale, shift, outside } = options;
  const axes = [0, 1, 2].map((axis) =>
    Array.from({ length: size[axis] as number }, (_, i) => {
      const last = (shape[axis] as number) - 1;
      const position = i * (scale[axis] as number) + (shift[axis] as number);
      const inside = position >= 0 && position <= last;
      const clamped = Math.min(last, Math.max(0, position));
      const low = Math.min(Math.floor(clamped), Math.max(0, last - 1));
      return { low, high: Math.min(last, low + 1), part: clamped - low, inside };
    }),
  );
  const [zs, ys, xs] = axes as [(typeof axes)[0], (typeof axes)[0], (typeof axes)[0]];
  const at = (z: number, y: number, x: number) =>
    voxels[(z * shape[1] + y) * shape[2] + x] as number;
  const mix = (a: number, b: number, part: number) => a + (b - a) * part;
  const out = new Float32Array(size[0] * size[1] * size[2]);
  let n = 0;
  for (const z of zs) {
    for (const y of ys) {
      for (const x of xs) {
        const line = (iz: number, iy: number) => mix(at(iz, iy, x.low), at(iz, iy, x.high), x.part);
        const plane = (iz: number) => mix(line(iz, y.low), line(iz, y.high), y.part);
        const inside = z.inside && y.inside && x.inside;
        out[n++] =
          outside !== undefined && !inside ? outside : mix(plane(z.low), plane(z.high), z.part);
      }
    }
  }
  return out;
};
