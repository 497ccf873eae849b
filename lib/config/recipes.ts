/** Names of what `pack` does to files; apart from the schema, which takes longer to load than it takes to pack some images. */

/** What is done to a file's content; each makes records of one input kind. */
export const recipeKinds = {
  report: "text",
  xray: "image2d",
  pathology: "image2d",
  ct: "volume3d",
  mri: "volume3d",
} as const;
export type Recipe = keyof typeof recipeKinds;
export const recipeNames = Object.keys(recipeKinds) as [Recipe, ...Recipe[]];
