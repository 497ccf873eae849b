/**
 * The presets of `pack`: `published` (default) prepares volumes as the reference implementation did, `physical` keeps
 * their proportions.
 *
 * Invariant: the schema's defaults are the published values, so a preset holds what it changes, with the reason.
 */
import { type PackConfig, packSchema, type ResolvedPack } from "./pack.js";
import { merge, type PlainObject, parseConfig } from "./parse.js";

export type PackPresetName = ResolvedPack["preset"];

/** What a preset changes under `preprocessing`, by path. */
type Changes = Record<string, { value: unknown; why: string }>;

export const packPresets: Record<PackPresetName, Changes> = {
  published: {},
  physical: {
    "ct.spacingMm": {
      value: [2, 2, 2],
      why: "A patch of 16 voxels is a cube of 32 mm in every scan; 192 voxels are 384 mm, which holds a trunk.",
    },
    "ct.fit": { value: "crop", why: "Tiles are not stretched, so proportions stay." },
    "ct.tileDepth": { value: 16, why: "The depth of a record, as nothing is stretched." },
    "ct.stride": { value: 8, why: "Half a tile, as published." },
    "ct.minimumDepth": { value: 8, why: "Half a tile; what is missing is air." },
    "mri.spacingMm": {
      value: [1.25, 1.25, 1.25],
      why: "A patch is a cube of 20 mm; 192 voxels are 240 mm, which holds a head or a heart.",
    },
    "mri.interpolation": { value: "bspline", why: "Linear interpolation blurs." },
    "mri.antialias": {
      value: true,
      why: "Fine slices shrink; without it their noise is folded in.",
    },
  },
};

/** Changes by path as an object. */
function nested(changes: Changes): PlainObject {
  const parts = Object.entries(changes).map(([path, { value }]) =>
    path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
  );
  return merge(...(parts as PlainObject[]));
}

/** A checked configuration; what it leaves open comes from its preset. */
export function resolvePack(input: PackConfig): ResolvedPack {
  const { preset } = parseConfig(packSchema, input);
  const defaults = { preprocessing: nested(packPresets[preset]) };
  return parseConfig(packSchema, merge(defaults, input as unknown as PlainObject));
}
