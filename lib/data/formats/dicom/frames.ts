/**
 * The bytes of each frame: a part of the pixel data, or the fragments of a compressed frame.
 */
import dicomParser, { type DataSet, type Element } from "dicom-parser";
import { failDicom, type Header, PIXEL_DATA } from "./dataset.js";

function nativeFrame(dataset: DataSet, element: Element, header: Header, frame: number) {
  const { rows, columns, samples, bitsAllocated } = header;
  const bytes = (rows * columns * samples * bitsAllocated) / 8;
  const start = element.dataOffset + frame * bytes;
  const end = Math.min(element.dataOffset + element.length, dataset.byteArray.length);
  if (start + bytes > end) {
    failDicom(`its pixel data has ${end - element.dataOffset} of ${bytes * header.frames} bytes`);
  }
  return dataset.byteArray.subarray(start, start + bytes);
}

function compressedFrame(dataset: DataSet, element: Element, header: Header, frame: number) {
  const fragments = element.fragments ?? [];
  if (fragments.length === 0) failDicom("its pixel data is empty");
  const from = (first: number, count?: number) =>
    dicomParser.readEncapsulatedPixelDataFromFragments(dataset, element, first, count);
  if (header.frames === 1) return from(0, fragments.length);
  if (fragments.length === header.frames) return from(frame, 1);
  const table = element.basicOffsetTable ?? [];
  if (table.length === header.frames) {
    return dicomParser.readEncapsulatedImageFrame(dataset, element, frame, table);
  }
  if (fragments.length < header.frames) {
    failDicom(`it has ${fragments.length} of ${header.frames} frames`);
  }
  const found = dicomParser.createJPEGBasicOffsetTable(dataset, element);
  return dicomParser.readEncapsulatedImageFrame(dataset, element, frame, found);
}

/** Frame `frame`, from 0, as stored. */
export function frameBytes(dataset: DataSet, header: Header, frame: number): Uint8Array {
  const element = dataset.elements[PIXEL_DATA];
  if (!element) failDicom("it has no pixel data");
  if (header.native) return nativeFrame(dataset, element, header, frame);
  if (!element.encapsulatedPixelData) failDicom("its compressed pixel data is not in fragments");
  return compressedFrame(dataset, element, header, frame);
}
