/**
 * Compressed frames to samples: JPEG through sharp, lossless JPEG, JPEG-LS (CharLS) and JPEG 2000 (OpenJPEG) through
 * libraries in JavaScript and WebAssembly.
 *
 * Invariant: the size in a frame's own header is compared with the file's before a decoder sees it.
 */
import { createRequire } from "node:module";
import sharp from "sharp";
import { failDicom, type Header, unsupportedDicom } from "./dataset.js";
import { decodeRle } from "./rle.js";

export interface Decoded {
  /** Interleaved samples, little endian, `bits` wide. */
  bytes: Uint8Array;
  bits: 8 | 16;
  /** Whether the samples are RGB whatever the file calls them. */
  rgb: boolean;
}

type Codec = (bytes: Uint8Array, header: Header) => Decoded | Promise<Decoded>;

interface WasmDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
  delete(): void;
}

interface WasmModule {
  JpegLSDecoder: new () => WasmDecoder;
  J2KDecoder: new () => WasmDecoder;
}

type WasmFactory = (options: object) => Promise<WasmModule>;
/** The libraries report on what they do, and put what they export into the object they are given. */
const SILENT = { print: () => undefined, printErr: () => undefined };

/** The library's own types are not in its package. */
interface LosslessModule {
  Decoder: new () => {
    decompress(buffer: ArrayBuffer, offset: number, length: number): ArrayBuffer;
  };
}

const require = createRequire(import.meta.url);
const modules = new Map<string, Promise<WasmModule>>();

/** Loads a decoder when its first frame comes. */
function loadWasm(name: string): Promise<WasmModule> {
  const found = modules.get(name) ?? (require(name) as WasmFactory)({ ...SILENT });
  modules.set(name, found);
  return found;
}

interface FrameSize {
  width: number;
  height: number;
  bits: number;
  components: number;
}

/** The size in the start-of-frame segment of a JPEG or JPEG-LS stream. */
function jpegSize(bytes: Uint8Array): FrameSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 2;
  while (at + 10 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number;
    const isFrame = marker === 0xf7 || (marker >= 0xc0 && marker <= 0xcf);
    if (isFrame && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { width, height, bits: bytes[at + 4] as number, components: bytes[at + 9] as number };
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** The size in the SIZ segment of a JPEG 2000 stream, inside its boxes or bare. */
function jpeg2000Size(bytes: Uint8Array): FrameSize | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(
    "ff4fff51",
    "hex",
  );
  if (start < 0 || start + 43 > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start + 4);
  return {
    width: view.getUint32(4) - view.getUint32(12),
    height: view.getUint32(8) - view.getUint32(16),
    components: view.getUint16(36),
    bits: (view.getUint8(38) & 0x7f) + 1,
  };
}

function checkSize(found: FrameSize | undefined, header: Header): FrameSize {
  if (!found) failDicom("a frame does not begin as its compression does");
  const { rows, columns, samples } = header;
  const { width, height, components, bits } = found;
  if (width !== columns || height !== rows || components !== samples) {
    const frame = `${width} x ${height} x ${components}`;
    failDicom(`a frame of ${frame} in an image of ${columns} x ${rows} x ${samples}`);
  }
  if (bits > 16) unsupportedDicom(`frames of ${bits} bits`);
  return found;
}

async function decodeJpeg(bytes: Uint8Array, header: Header): Promise<Decoded> {
  const { bits } = checkSize(jpegSize(bytes), header);
  if (bits !== 8) unsupportedDicom(`lossy JPEG of ${bits} bits`);
  const image = sharp(bytes, { failOn: "error", limitInputPixels: false });
  const space = header.samples === 1 ? "b-w" : "srgb";
  const { data } = await image.toColourspace(space).raw().toBuffer({ resolveWithObject: true });
  return { bytes: data, bits: 8, rgb: true };
}

async function decodeLossless(bytes: Uint8Array, header: Header): Promise<Decoded> {
  const { bits } = checkSize(jpegSize(bytes), header);
  const { Decoder } = require("jpeg-lossless-decoder-js") as LosslessModule;
  const copy = new Uint8Array(bytes);
  const out = new Decoder().decompress(copy.buffer, 0, copy.length);
  return { bytes: new Uint8Array(out), bits: bits > 8 ? 16 : 8, rgb: false };
}

function runWasm(decoder: WasmDecoder, bytes: Uint8Array): Uint8Array {
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    return decoder.getDecodedBuffer().slice();
  } finally {
    decoder.delete();
  }
}

async function decodeJpegLs(bytes: Uint8Array, header: Header): Promise<Decoded> {
  const { bits } = checkSize(jpegSize(bytes), header);
  const { JpegLSDecoder } = await loadWasm("@cornerstonejs/codec-charls/decodewasmjs");
  return { bytes: runWasm(new JpegLSDecoder(), bytes), bits: bits > 8 ? 16 : 8, rgb: false };
}

async function decodeJpeg2000(bytes: Uint8Array, header: Header): Promise<Decoded> {
  const { bits } = checkSize(jpeg2000Size(bytes), header);
  const { J2KDecoder } = await loadWasm("@cornerstonejs/codec-openjpeg/decodewasmjs");
  const rgb = header.photometric.startsWith("YBR_RCT") || header.photometric.startsWith("YBR_ICT");
  return { bytes: runWasm(new J2KDecoder(), bytes), bits: bits > 8 ? 16 : 8, rgb };
}

const codecs: Record<string, Codec> = {
  "1.2.840.10008.1.2.5": (bytes, header) => {
    if (header.bitsAllocated === 32) unsupportedDicom("run-length frames of 32 bits");
    const bits = header.bitsAllocated === 8 ? 8 : 16;
    return { bytes: decodeRle(bytes, header), bits, rgb: false };
  },
  "1.2.840.10008.1.2.4.50": decodeJpeg,
  "1.2.840.10008.1.2.4.51": decodeJpeg,
  "1.2.840.10008.1.2.4.57": decodeLossless,
  "1.2.840.10008.1.2.4.70": decodeLossless,
  "1.2.840.10008.1.2.4.80": decodeJpegLs,
  "1.2.840.10008.1.2.4.81": decodeJpegLs,
  "1.2.840.10008.1.2.4.90": decodeJpeg2000,
  "1.2.840.10008.1.2.4.91": decodeJpeg2000,
};

/** Decodes one compressed frame; throws E_FILE_UNSUPPORTED for a transfer syntax that is not read. */
export async function decodeFrame(bytes: Uint8Array, header: Header): Promise<Decoded> {
  const codec = codecs[header.syntax];
  if (!codec) unsupportedDicom(`the transfer syntax ${header.syntax}`);
  let decoded: Decoded;
  try {
    decoded = await codec(bytes, header);
  } catch (cause) {
    if ((cause as Error).name === "MedcossError") throw cause;
    // A decoder that failed may have left its memory in disorder.
    modules.clear();
    const { message } = cause as Partial<Error>;
    return failDicom(`a frame cannot be decoded: ${message ?? "damaged"}`.slice(0, 200));
  }
  const { rows, columns, samples } = header;
  const wanted = (rows * columns * samples * decoded.bits) / 8;
  if (decoded.bytes.length < wanted) {
    failDicom(`a frame has ${decoded.bytes.length} of ${wanted} bytes`);
  }
  return decoded;
}
