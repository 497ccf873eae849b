/**
 * The addon that makes records of images. It is apart from the other one, so that a decoding process of images starts
 * without LibTorch.
 *
 * Invariant: libjpeg-turbo is opened by absolute path, from beside the addon.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { MedcossError } from "../errors.js";
import { findBinaries } from "./folder.js";

export interface JpegRecordOptions {
  /** Edge of the record. */
  size: number;
  channels: 1 | 3;
  /** Larger images are left to others. */
  mostPixels: number;
  /** Pixels of the shorter edge that are enough; 0 for the whole image. */
  enoughPixels: number;
}

export interface StretchOptions {
  height: number;
  width: number;
  channels: 1 | 3;
  /** Edge of the record. */
  size: number;
}

export interface PixelsBinding {
  /** sync. Opens libjpeg-turbo; throws the dynamic linker's message. */
  openJpeg(path: string): void;
  /** sync. Pixels [height,width,channels] as a record [size,size,channels], by Pillow's bicubic filter to the byte. */
  stretch(pixels: Uint8Array, options: StretchOptions): Uint8Array;
  /**
   * sync. Fills `into` with the record [size,size,channels] of a JPEG, by Pillow's bicubic filter to the byte: `record`. It
   * does not for an image of one value (`constant`), and for what is damaged, too large, or neither grey nor RGB (`other`).
   */
  jpegRecord(
    file: Uint8Array,
    options: JpegRecordOptions,
    into: Uint8Array,
  ): "record" | "constant" | "other";
}

const ADDON = "medcoss_pixels.node";
const TURBOJPEG = "libturbojpeg.so.0";

/** Loads the addon of a folder. */
export function loadPixelsFrom(folder: string): PixelsBinding {
  const path = join(folder, ADDON);
  try {
    const binding = createRequire(import.meta.url)(path) as PixelsBinding;
    binding.openJpeg(join(folder, TURBOJPEG));
    return binding;
  } catch (error) {
    const [problem = ""] = String((error as Error).message).split("\n");
    throw new MedcossError("E_ADDON_LOAD", { path, problem }, { cause: error });
  }
}

let loaded: PixelsBinding | undefined;

/**
 * The addon, loaded on the first call.
 *
 * @throws MedcossError E_ADDON_MISSING or E_ADDON_LOAD
 */
export function loadPixels(): PixelsBinding {
  loaded ??= loadPixelsFrom(findBinaries());
  return loaded;
}
