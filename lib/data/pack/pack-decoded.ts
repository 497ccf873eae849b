/** Packs images by their formats' decoders, and whole slides. */
import { formatFor } from "../formats/index.js";
import { raster } from "../formats/raster.js";
import { isSlide, slideTiles } from "../formats/slide.js";
import { prepareImage } from "../preprocess/image.js";
import { type Emit, type Prepared, SkipFile } from "./packer.js";
import type { RecordNote, Settings, Task, TaskFile } from "./protocol.js";

/** Every tissue tile of a whole slide. */
async function packSlide(path: string, settings: Settings, emit: Emit): Promise<Prepared> {
  const { pathology } = settings.preprocessing;
  const notes: RecordNote[] = [];
  const tiles = slideTiles(path, { size: pathology.size, ...pathology.slide });
  for await (const { at, image } of tiles) {
    emit(await prepareImage(image, pathology));
    notes.push({ tile: at });
  }
  return { notes };
}

export async function packDecoded({ path }: TaskFile, task: Task, emit: Emit): Promise<Prepared> {
  const { settings, recipe } = task;
  const format = await formatFor(path, "image2d");
  const reason = await format.reasonToSkip?.(path);
  if (reason !== undefined) throw new SkipFile(reason);
  if (recipe === "pathology" && format === raster && (await isSlide(path))) {
    return packSlide(path, settings, emit);
  }
  const image = await format.decode(path, settings);
  const { patient, annotated } = image;
  emit(await prepareImage(image, settings.preprocessing[recipe as "xray" | "pathology"]));
  return { notes: [{}], patient, annotated };
}
