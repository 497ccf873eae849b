/**
 * DICOM's run-length coding (PS3.5 annex G): each byte of each sample in a segment of its own, coded as PackBits.
 */
import { failDicom, type Header } from "./dataset.js";

/** Unpacks one segment into every `step`-th byte of `out` from `first` on. */
function unpack(segment: Uint8Array, out: Uint8Array, first: number, step: number, count: number) {
  let at = 0;
  let done = 0;
  while (done < count && at < segment.length) {
    const code = segment[at++] as number;
    if (code === 128) continue;
    const run = code > 128;
    const length = Math.min(run ? 257 - code : code + 1, count - done);
    if (at + (run ? 1 : length) > segment.length) break;
    for (let i = 0; i < length; i++) {
      out[first + (done + i) * step] = segment[run ? at : at + i] as number;
    }
    at += run ? 1 : length;
    done += length;
  }
  if (done < count) failDicom(`a run-length segment has ${done} of ${count} bytes`);
}

/** Samples of a frame, interleaved, little endian. */
export function decodeRle(bytes: Uint8Array, header: Header): Uint8Array {
  const { rows, columns, samples, bitsAllocated } = header;
  const width = bitsAllocated / 8;
  const wanted = samples * width;
  if (bytes.length < 64) failDicom("its run-length header is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const segments = view.getUint32(0, true);
  if (segments !== wanted) failDicom(`it has ${segments} of ${wanted} run-length segments`);
  const count = rows * columns;
  const out = new Uint8Array(count * wanted);
  for (let segment = 0; segment < wanted; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < wanted ? view.getUint32(8 + 4 * segment, true) : bytes.length;
    if (start < 64 || start > end || end > bytes.length)
      failDicom("its run-length header is wrong");
    const sample = Math.floor(segment / width);
    const byte = width - 1 - (segment % width);
    unpack(bytes.subarray(start, end), out, sample * width + byte, wanted, count);
  }
  return out;
}
