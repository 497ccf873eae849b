/** Packs volumes: files and DICOM series, cut into tiles. */
import { decodeSeries } from "../formats/dicom/series.js";
import { formatFor } from "../formats/index.js";
import { prepareCt } from "../preprocess/ct.js";
import { prepareMri } from "../preprocess/mri.js";
import type { Resample, Tile } from "../preprocess/volume.js";
import type { Packer } from "./packer.js";
import type { Settings, TaskFile } from "./protocol.js";

let native: Promise<Resample> | undefined;

/** Every core has a process of its own, so one thread is enough. */
async function loadNative(): Promise<Resample> {
  const { configureThreads, resample } = await import("../../trainer.js");
  configureThreads(1);
  return resample;
}

/** By the addon, which is loaded when the first volume comes. */
const resampleAlone: Resample = async (options) => {
  native ??= loadNative();
  return (await native)(options);
};

async function decodeVolume({ path, slices }: TaskFile, settings: Settings) {
  if (slices) return decodeSeries(slices, settings);
  return (await formatFor(path, "volume3d")).decode(path, settings);
}

export const packVolume: Packer = async (file, task, emit) => {
  const { settings, recipe } = task;
  const volume = await decodeVolume(file, settings);
  const { patient, annotated } = volume;
  const { ct, mri } = settings.preprocessing;
  const tiles: Tile<Int16Array | Float32Array>[] =
    recipe === "ct"
      ? await prepareCt(volume, ct, settings.limits.voxels, resampleAlone)
      : await prepareMri(volume, mri, settings.limits.voxels, resampleAlone);
  for (const { voxels } of tiles) emit(voxels);
  return { notes: tiles.map(({ slices }) => ({ slices })), patient, annotated };
};
