/**
 * The fields of `preprocessing.ct` and `preprocessing.mri`; their defaults are the published steps.
 */
import { z } from "zod";

const whole = () => z.int().positive();
const share = () => z.number().min(0).max(1);

const volumeSize = z
  .tuple([whole(), whole(), whole()])
  .default([16, 192, 192])
  .describe("Depth, height and width of a record in voxels.");
const inPlane = z
  .enum(["rows", "columns"])
  .default("rows")
  .describe("Which in-plane axis is the height: rows (y), or columns (x) as published.");

/** z, y, x in mm; one number for all three. */
const spacing = () =>
  z
    .union([z.number().positive(), z.tuple([z.number(), z.number(), z.number()])])
    .transform((value): [number, number, number] =>
      typeof value === "number" ? [value, value, value] : value,
    )
    .refine((edges) => edges.every((edge) => edge > 0), "Expected sizes above 0");

const sampling = (interpolation: "linear" | "bspline", antialias: boolean, what: string) => ({
  interpolation: z
    .enum(["linear", "bspline"])
    .default(interpolation)
    .describe(`Interpolation of ${what}: linear, or cubic B-spline.`),
  antialias: z
    .boolean()
    .default(antialias)
    .describe(`Whether ${what} smooths the axes that it shrinks, as scikit-image does.`),
});

export const ct = z
  .strictObject({
    clip: z
      .tuple([z.number(), z.number()])
      .default([-1024, 1024])
      .describe("Hounsfield units kept."),
    spacingMm: spacing()
      .prefault(1)
      .describe("Size of a voxel before tiles are cut: one number, or z, y, x."),
    ...sampling("bspline", true, "the change of spacing"),
    tileDepth: whole().default(24).describe("Slices of a tile."),
    stride: whole().default(12).describe("Slices from one tile to the next."),
    minimumDepth: whole().default(13).describe("Volumes with fewer slices are rejected."),
    bodyCrop: z
      .strictObject({
        above: whole().default(320).describe("First in-plane size above which the rim is cut off."),
        from: share()
          .default(0.1)
          .describe("Share of both in-plane axes where the kept part begins."),
        to: share().default(0.9).describe("Share where it ends."),
      })
      .prefault({}),
    fit: z
      .enum(["stretch", "crop"])
      .default("stretch")
      .describe("How a tile gets the record's size: stretched to it, or its middle as it is."),
    resize: z.strictObject(sampling("linear", false, "stretching")).prefault({}),
    size: volumeSize,
    inPlane,
    scale: z
      .number()
      .positive()
      .default(1 / 1024)
      .describe("The network sees value x scale."),
  })
  .refine(({ fit, tileDepth, size }) => fit === "stretch" || tileDepth === size[0], {
    path: ["tileDepth"],
    message: "Expected the depth of the size, as tiles are not stretched",
  })
  .prefault({});

export const mri = z
  .strictObject({
    spacingMm: spacing()
      .optional()
      .describe(
        "Size of a voxel, one number or z, y, x: slices are not stretched to the record's size then, their middle is taken.",
      ),
    ...sampling("linear", false, "the resize"),
    depthRange: z
      .tuple([share(), share()])
      .default([0.1, 0.9])
      .describe("Share of the slices kept."),
    stride: whole().default(8).describe("Slices from one tile to the next."),
    percentiles: z
      .tuple([z.number().min(0).max(100), z.number().min(0).max(100)])
      .default([0.2, 99.8])
      .describe("Values of a tile are clipped to these percentiles before they are normalised."),
    size: volumeSize,
    inPlane,
  })
  .prefault({});
