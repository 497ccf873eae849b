/**
 * The schema of `pack`: every field with its default and its documentation.
 *
 * Invariant: whatever decides a record's values stands under `preprocessing`, so that its digest tells two stores apart.
 */
import { z } from "zod";
import { ct, mri } from "./pack-volumes.js";
import { recipeNames } from "./recipes.js";

export { type Recipe, recipeKinds, recipeNames } from "./recipes.js";

const whole = () => z.int().positive();
const share = () => z.number().min(0).max(1);

const modalityName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, "Expected lower-case letters, digits and hyphens");

const source = z.strictObject({
  modality: modalityName.describe("Name of the modality in the store."),
  recipe: z.enum(recipeNames).describe("Preprocessing: that of one of the five modalities."),
  path: z.string().min(1).describe("A file, or a folder that is searched with its subfolders."),
});
export type PackSource = z.infer<typeof source>;

const columns = z
  .strictObject({
    findings: z.string().optional().describe("Column of the findings."),
    impression: z
      .string()
      .optional()
      .describe("Column of the impression, put before the findings."),
    text: z.string().optional().describe("Column of whole reports, in place of the two."),
    case: z.string().optional().describe("Column of the patient or case."),
  })
  .prefault({})
  .describe("Columns of report tables; those not named are guessed.");

const report = z
  .strictObject({
    length: whole().min(3).max(512).default(112).describe("Tokens of a record."),
    cleaning: z
      .enum(["published", "plain"])
      .default("published")
      .describe("Lower-case words without punctuation, as published, or the text as it is."),
    minimumWords: whole().default(3).describe("Shorter reports are left out."),
  })
  .prefault({});

const image = (channels: 1 | 3) =>
  z
    .strictObject({
      size: whole().max(4096).default(224).describe("Edge of a record in pixels."),
      kernel: z
        .enum(["nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3"])
        .default("cubic")
        .describe("Interpolation; all but nearest smooth when they shrink."),
      channels: z
        .union([z.literal(1), z.literal(3)])
        .default(channels)
        .describe("1 for grey, 3 for colour (RGB)."),
      shrinkOnLoad: z
        .boolean()
        .default(false)
        .describe(
          "Whether a JPEG is decoded at a half, a quarter or an eighth of its size where that is a whole number of pixels and twice the record's edge.",
        ),
    })
    .prefault({});

const slide = z
  .strictObject({
    magnification: z
      .number()
      .positive()
      .optional()
      .describe("Objective that tiles are cut for; by default the slide's own."),
    tissue: share().default(0.5).describe("Least share of a tile that is tissue."),
    mostTiles: whole().default(100).describe("Tiles of one slide, evenly over its tissue."),
  })
  .prefault({});

const pathology = z
  .strictObject({ ...image(3).unwrap().shape, slide })
  .prefault({})
  .describe("As xray; slides are cut into tiles.");

const preprocessing = z.strictObject({ report, xray: image(1), pathology, ct, mri }).prefault({});
export type Preprocessing = z.infer<typeof preprocessing>;

const validation = z
  .strictObject({
    share: share().default(0.1).describe("Share of the cases put aside for validation."),
    minimumCases: whole().default(20).describe("With fewer cases none is put aside."),
    keepRecords: whole()
      .default(32)
      .describe("Records that training keeps at least, whatever the share."),
  })
  .prefault({});

const limits = z
  .strictObject({
    pixels: whole()
      .default(2 ** 27)
      .describe("Pixels of an image."),
    voxels: whole()
      .default(2 ** 27)
      .describe("Voxels of a volume."),
    fileBytes: whole()
      .default(2 ** 32)
      .describe("Bytes of a file."),
    rowBytes: whole()
      .default(2 ** 20)
      .describe("Bytes of a table's row."),
    seconds: z
      .number()
      .positive()
      .default(60)
      .describe("Time for one file; for each MiB of a table."),
    memoryBytes: whole()
      .min(2 ** 29)
      .default(2e9)
      .describe("Memory of a decoding process; one over it is ended and its file rejected."),
  })
  .prefault({});
export type Limits = z.infer<typeof limits>;

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

export const packSchema = z.strictObject({
  out: z.string().min(1).describe("Folder of the store; made if need be, added to if it exists."),
  preset: z
    .enum(["published", "physical"])
    .default("published")
    .describe("How volumes are prepared: as published, or with their proportions kept."),
  sources: z.array(source).min(1, "Expected at least one source").describe("What to pack."),
  tokenizer: z
    .string()
    .optional()
    .describe("tokenizer.json or vocab.txt (WordPiece); by default the uncased BERT vocabulary."),
  columns,
  splitColumn: z
    .string()
    .optional()
    .describe("Column that says train, validation or test; test is left out of the store."),
  casePattern: z
    .string()
    .refine(isPattern, "Expected a regular expression")
    .optional()
    .describe("Regular expression on a file's relative path; its first group is the case."),
  caseKey: z
    .string()
    .min(16, "Expected at least 16 characters")
    .optional()
    .describe("Key of the digests that name DICOM patients; by default the store's own, random."),
  includeLabels: z
    .boolean()
    .default(false)
    .describe("Keeps files that end in _label, _seg or _mask and folders named masks or labels."),
  hashPaths: z.boolean().default(false).describe("Writes digests in place of file and case names."),
  strict: z.boolean().default(false).describe("Fails when a file was rejected."),
  workers: whole().max(256).optional().describe("Decoding processes; by default one per core."),
  hdf5Dataset: z.string().default("image").describe("Data set of an HDF5 file that is the volume."),
  preprocessing,
  validation,
  limits,
});

export type PackConfig = z.input<typeof packSchema>;
export type ResolvedPack = z.output<typeof packSchema>;
