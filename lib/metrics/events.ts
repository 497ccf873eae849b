/**
 * TensorBoard event files: scalar summaries as protocol buffers in TFRecord framing.
 *
 * Invariant: a file is a header record and one record per event; each is complete in one buffer, so appending whole
 * buffers never leaves a torn record behind a good one.
 */
import { maskedCrc32c } from "./crc32c.js";

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

function delimited(field: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(content.length)]), content]);
}

function doubleField(field: number, value: number): Buffer {
  const buffer = Buffer.alloc(9);
  buffer[0] = (field << 3) | 1;
  buffer.writeDoubleLE(value, 1);
  return buffer;
}

function floatField(field: number, value: number): Buffer {
  const buffer = Buffer.alloc(5);
  buffer[0] = (field << 3) | 5;
  buffer.writeFloatLE(value, 1);
  return buffer;
}

/** One TFRecord: length, its checksum, data, its checksum. */
function frame(data: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length), 0);
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc32c(data), 0);
  return Buffer.concat([head, data, tail]);
}

/** The first record of a file; `seconds` since 1970. */
export function eventHeader(seconds: number): Buffer {
  return frame(
    Buffer.concat([doubleField(1, seconds), delimited(3, Buffer.from("brain.Event:2", "utf8"))]),
  );
}

/** One event with scalars at `step`; `seconds` since 1970. */
export function scalarEvent(
  seconds: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Buffer {
  const values = Object.entries(scalars).map(([tag, value]) =>
    delimited(1, Buffer.concat([delimited(1, Buffer.from(tag, "utf8")), floatField(2, value)])),
  );
  return frame(
    Buffer.concat([
      doubleField(1, seconds),
      Buffer.from([2 << 3, ...varint(step)]),
      delimited(5, Buffer.concat(values)),
    ]),
  );
}
