import t from "tap";
import { crc32c, maskedCrc32c } from "../../lib/metrics/crc32c.js";
import { eventHeader, scalarEvent } from "../../lib/metrics/events.js";

t.test("the checksum gives the published values (RFC 3720, B.4)", async (t) => {
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  t.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

/** The data of each record of a TFRecord file, with both checksums compared. */
function records(file: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    t.equal(file.readUInt32LE(at + 8), maskedCrc32c(file.subarray(at, at + 8)));
    t.equal(file.readUInt32LE(at + 12 + length), maskedCrc32c(data));
    out.push(data);
    at += 16 + length;
  }
  return out;
}

t.test("events are protocol buffers in TFRecord frames", async (t) => {
  const file = Buffer.concat([eventHeader(1.5), scalarEvent(2.5, 300, { "ct/loss": 0.25 })]);
  const [header, event] = records(file) as [Buffer, Buffer];
  t.equal(header.readDoubleLE(1), 1.5);
  t.equal(header.subarray(11).toString(), "brain.Event:2");
  t.equal(event[0], 0x09, "wall time is field 1, a double");
  t.equal(event.readDoubleLE(1), 2.5);
  t.same([...event.subarray(9, 12)], [0x10, 0xac, 0x02], "step 300 is field 2, a varint");
  const summary = event.subarray(14);
  t.equal(event[12], 0x2a, "the summary is field 5");
  t.equal(event[13], summary.length);
  const value = summary.subarray(2);
  t.equal(value.subarray(2, 9).toString(), "ct/loss");
  t.equal(value[9], 0x15, "the value is field 2, a float");
  t.equal(value.readFloatLE(10), 0.25);
});

t.test("long summaries have lengths of several bytes", async (t) => {
  const scalars = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`modality/${i}`, i]));
  const [event] = records(scalarEvent(0, 0, scalars)) as [Buffer];
  t.equal((event[12] as number) & 0x80, 0x80);
  t.equal(((event[12] as number) & 0x7f) + (event[13] as number) * 128, event.length - 14);
});
