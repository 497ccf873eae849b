/** Packs images: JPEGs in one native call where that will do, everything else by its format's decoder. */
import { jpegRecord } from "../preprocess/jpeg.js";
import type { Packer } from "./packer.js";

export const packImage: Packer = async (file, task, emit, content) => {
  const { preprocessing, limits } = task.settings;
  const options = preprocessing[task.recipe as "xray" | "pathology"];
  const record = content && jpegRecord(content, options, limits);
  if (record === undefined) {
    const { packDecoded } = await import("./pack-decoded.js");
    return packDecoded(file, task, emit);
  }
  emit(record);
  return { notes: [{}] };
};
