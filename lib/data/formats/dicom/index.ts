/**
 * DICOM as a format: single images, and volumes in one file. Series of many files go through `decodeSeries`.
 */
import { MedcossError } from "../../../errors.js";
import { decoding, type ImageFormat, type VolumeFormat } from "../types.js";
import { DICOM, isDicom } from "./dataset.js";
import { decodeDicomImage } from "./image.js";
import { readElements } from "./read.js";
import { reasonToSkipObject } from "./scan.js";
import { decodeSeries } from "./series.js";

const common = { name: DICOM, endings: [".dcm", ".dicom", ".ima"], matches: isDicom };

export const dicomImage: ImageFormat = {
  ...common,
  kind: "image2d",
  decode: (path, options) => decoding(DICOM, path, () => decodeDicomImage(path, options)),
  reasonToSkip: async (path) => {
    try {
      return reasonToSkipObject(await readElements(path));
    } catch (error) {
      if (error instanceof MedcossError) return undefined;
      throw error;
    }
  },
};

export const dicomVolume: VolumeFormat = {
  ...common,
  kind: "volume3d",
  decode: (path, options) => decodeSeries([path], options),
};
