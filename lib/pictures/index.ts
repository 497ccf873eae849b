/** Pictures of a run: reconstructions of masked inputs and loss curves. */
export { lossCurves, writeLossCurves } from "./curves.js";
export {
  type PictureOptions,
  type Reconstructor,
  writeReconstructions,
} from "./reconstructions.js";
