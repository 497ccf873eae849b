/** Grey TIFF files in one piece, of any sample type, byte by byte. */

/** Of samples as in the tag SampleFormat: 1 unsigned, 2 signed, 3 floating point. */
export function tiffBytes(
  samples: Buffer,
  width: number,
  height: number,
  bits: number,
  sampleFormat: number,
): Buffer {
  const tags = [
    ...[
      [256, width],
      [257, height],
      [258, bits],
      [259, 1],
      [262, 1],
      [273, 0],
      [277, 1],
    ],
    ...[
      [278, height],
      [279, samples.length],
      [339, sampleFormat],
    ],
  ] as Array<[number, number]>;
  const start = 8 + 2 + 12 * tags.length + 4;
  const head = Buffer.alloc(start);
  head.write("II*\0", "latin1");
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, value], i) => {
    const at = 10 + 12 * i;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(4, at + 2);
    head.writeUInt32LE(1, at + 4);
    head.writeUInt32LE(tag === 273 ? start : value, at + 8);
  });
  return Buffer.concat([head, samples]);
}
