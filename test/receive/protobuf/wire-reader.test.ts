import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { errorAnswer, successAnswer } from '../../../src/receive/otlp-response.ts';
import { WireReader } from '../../../src/receive/protobuf/wire-reader.ts';
import { fc } from '../../support/fast-check.ts';
import { decode, LOGS, TRACES } from '../requests.ts';

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const int64 = fc.oneof(
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.constantFrom(...edges(INT64_MIN, INT64_MAX)),
);
const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: UINT64_MAX }), fc.constantFrom(...edges(0n, UINT64_MAX)));

/** Each power of two in the range, where the bytes of a varint begin, and the numbers beside it. */
function edges(min: bigint, max: bigint): bigint[] {
  const powers = Array.from({ length: 65 }, (_, bits) => 2n ** BigInt(bits));
  const near = [0n, ...powers, ...powers.map((power) => -power)].flatMap((n) => [n - 1n, n, n + 1n]);
  return near.filter((n) => n >= min && n <= max);
}

function readerOf(write: (writer: BinaryWriter) => unknown): WireReader {
  const writer = new BinaryWriter();
  write(writer);
  return new WireReader(Buffer.from(writer.finish()));
}

/** A varint of that many bytes: all but the last have the continuation bit. */
function varintOf(bytes: number, last: number, others = 0x80): Buffer {
  return Buffer.from([...Array.from({ length: bytes - 1 }, () => others), last]);
}

function lengthDelimited(bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().bytes(bytes).finish();
}

test('64-bit numbers read as they were written, also at every power of two', () => {
  const check = (signed: bigint, unsigned: bigint) => {
    const reader = readerOf((writer) => writer.int64(signed).fixed64(unsigned).uint64(unsigned));
    expect(reader.int64()).toBe(String(signed));
    expect(reader.fixed64()).toBe(String(unsigned));
    expect(reader.int64()).toBe(String(BigInt.asIntN(64, unsigned)));
  };
  for (const n of edges(INT64_MIN, INT64_MAX)) check(n, BigInt.asUintN(64, n));
  for (const n of edges(0n, UINT64_MAX)) check(BigInt.asIntN(64, n), n);
  fc.assert(fc.property(int64, uint64, check));
});

test('32-bit numbers, booleans and doubles read as the reference reads them', () => {
  const value = fc.record({
    unsigned: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 127, 128, 2 ** 28, 2 ** 31, 2 ** 32 - 1)),
    signed: fc.oneof(fc.integer(), fc.constantFrom(-1, -(2 ** 31), 2 ** 31 - 1)),
    double: fc.double(),
    bool: fc.boolean(),
  });
  fc.assert(
    fc.property(value, ({ unsigned, signed, double, bool }) => {
      const reader = readerOf((writer) =>
        writer.uint32(unsigned).int32(signed).fixed32(unsigned).double(double).bool(bool),
      );
      expect(reader.varint32()).toBe(unsigned);
      expect(reader.varint32() | 0).toBe(signed);
      expect(reader.fixed32()).toBe(unsigned);
      expect(reader.double()).toBe(double);
      expect(reader.bool()).toBe(bool);
    }),
  );
});

test('a boolean is true when any of 64 bits is set', () => {
  for (const n of [1n, 2n ** 7n, 2n ** 28n, 2n ** 32n, 2n ** 35n, 2n ** 63n]) {
    expect(readerOf((writer) => writer.uint64(n)).bool(), String(n)).toBe(true);
  }
  expect(new WireReader(varintOf(10, 0)).bool()).toBe(false);
});

test('a varint of any bytes reads as the reference reads it, or is refused by both', () => {
  const bytes = fc.array(fc.oneof(fc.nat(255), fc.integer({ min: 128, max: 255 })), { maxLength: 13 });
  fc.assert(
    fc.property(bytes, (list) => {
      const body = Buffer.from(list);
      expect(outcome(() => new WireReader(body).varint32())).toEqual(
        outcome(() => new BinaryReader(body).uint32()),
      );
      expect(outcome(() => new WireReader(body).int64())).toEqual(
        outcome(() => String(new BinaryReader(body).int64())),
      );
    }),
    { numRuns: 2000 },
  );
});

/** The value, or `refused`. */
function outcome<T>(read: () => T): T | 'refused' {
  try {
    return read();
  } catch {
    return 'refused';
  }
}

test('a varint may have 10 bytes, and 11 are refused', () => {
  expect(new WireReader(varintOf(10, 1)).int64()).toBe(String(INT64_MIN));
  expect(new WireReader(varintOf(10, 1, 0xff)).int64()).toBe('-1');
  expect(new WireReader(varintOf(10, 1, 0xff)).varint32()).toBe(2 ** 32 - 1);
  // Only one bit is left for the tenth byte: what lies above is cut off.
  expect(new WireReader(varintOf(10, 0x7f, 0xff)).int64()).toBe('-1');
  const reads = ['int64', 'varint32', 'bool', 'tag', 'length'] as const;
  for (const name of reads) {
    expect(() => new WireReader(varintOf(11, 1))[name](), name).toThrow('longer than 10 bytes');
    expect(() => new WireReader(varintOf(11, 1).subarray(0, 9))[name](), name).toThrow('premature EOF');
  }
  expect(() => new WireReader(varintOf(11, 1)).skip(0)).toThrow('longer than 10 bytes');
});

test('a tag or a length that needs more than 32 bits is refused, not cut to other ones', () => {
  for (const name of ['tag', 'length'] as const) {
    expect(new WireReader(varintOf(5, 0x0f, 0xff))[name](), name).toBe(2 ** 32 - 1);
    expect(() => new WireReader(Buffer.from([0x8a, 0x80, 0x80, 0x80, 0x10]))[name](), name).toThrow(
      '32 bits',
    );
    expect(() => new WireReader(Buffer.from([0x8a, 0x80, 0x80, 0x80, 0x80, 0x01]))[name](), name).toThrow(
      '32 bits',
    );
  }
  // 2^32 + 1 bytes are announced, and one is there.
  const text = Buffer.from([0x81, 0x80, 0x80, 0x80, 0x10, 0x78]);
  expect(() => new WireReader(text).text()).toThrow('32 bits');
});

test('a tag equals that of the reference, and the field number 0 is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 29 - 1 }), fc.constantFrom(0, 1, 2, 5), (number, wire) => {
      const tag = readerOf((writer) => writer.tag(number, wire)).tag();
      expect([tag >>> 3, tag & 7]).toEqual([number, wire]);
    }),
  );
  for (let wire = 0; wire < 8; wire++) {
    expect(() => new WireReader(Buffer.from([wire])).tag()).toThrow('number 0');
    expect(() => new WireReader(Buffer.from([0x80 + wire, 0x80, 0])).tag()).toThrow('number 0');
  }
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary-ascii', maxLength: 60 }),
  fc.constantFrom(
    '',
    '\0',
    'é',
    'Ã©',
    'x'.repeat(48),
    'x'.repeat(49),
    'ä'.repeat(24),
    '\u{1f600}',
    'y'.repeat(100_000),
  ),
);

test('texts are read as written, independent of earlier texts', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
      // Each twice: the second one may come from the cache.
      const all = [...texts, ...texts];
      const write = (writer: BinaryWriter) => all.map((item) => writer.string(item));
      const shared = readerOf(write);
      expect(all.map(() => shared.sharedText())).toEqual(all);
      const plain = readerOf(write);
      expect(all.map(() => plain.text())).toEqual(all);
    }),
    { numRuns: 300 },
  );
});

test('thousands of different short texts, more than the cache holds, are not confused', () => {
  const all = Array.from({ length: 20_000 }, (_, index) => `key.${index % 5000}`);
  const reader = readerOf((writer) => all.map((item) => writer.string(item)));
  expect(all.map(() => reader.sharedText())).toEqual(all);
});

test('texts of one length and one hash that differ stay apart', () => {
  // 31 * 'A' + 'a' = 31 * 'B' + 'B': the hash that is known from Java's strings.
  const all = ['Aa', 'BB', 'Aa', 'AaAa', 'BBBB', 'AaBB', 'BBAa', 'BBBB', 'AaAa'];
  const reader = readerOf((writer) => all.map((item) => writer.string(item)));
  expect(all.map(() => reader.sharedText())).toEqual(all);
});

test('bytes that look like the characters of a cached text are not that text', () => {
  // The two characters of 'Ã©' have the codes of the two bytes of 'é': of thousands of such pairs some share a place.
  const all = Array.from({ length: 5000 }, (_, index) => [`${index}Ã©`, `${index}é`]).flat();
  const reader = readerOf((writer) => all.map((item) => writer.string(item)));
  expect(all.map(() => reader.sharedText())).toEqual(all);
});

test('a latin1 letter is invalid UTF-8, also after the same letter in UTF-8', () => {
  const letters = [Buffer.from('é'), Buffer.from('é', 'latin1')];
  const reader = new WireReader(Buffer.concat([...letters, ...letters].map(lengthDelimited)));
  expect(letters.concat(letters).map(() => reader.sharedText())).toEqual(['é', '\ufffd', 'é', '\ufffd']);
});

test('any bytes as a text, valid UTF-8 or not, read as Node reads them', () => {
  const invalid = [
    [0xff],
    [0xc3],
    [0xc3, 0x28],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xc0, 0x80],
    [0xef, 0xbb, 0xbf],
  ];
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.constantFrom(...invalid.map((bytes) => Uint8Array.from(bytes))),
  );
  fc.assert(
    fc.property(some, (bytes) => {
      const body = Buffer.concat([lengthDelimited(bytes), lengthDelimited(bytes)]);
      const expected = Buffer.from(bytes).toString('utf8');
      const reader = new WireReader(body);
      expect([reader.sharedText(), reader.sharedText()]).toEqual([expected, expected]);
      expect(new WireReader(body).text()).toBe(expected);
      expect(new WireReader(body).bytes('hex')).toBe(Buffer.from(bytes).toString('hex'));
      expect(new WireReader(body).bytes('base64')).toBe(Buffer.from(bytes).toString('base64'));
    }),
  );
});

type Read = (reader: WireReader) => unknown;

const FIELDS: readonly [name: string, body: Uint8Array, read: Read][] = [
  ['a double', new BinaryWriter().double(1.5).finish(), (reader) => reader.double()],
  ['a fixed32', new BinaryWriter().fixed32(7).finish(), (reader) => reader.fixed32()],
  ['a fixed64', new BinaryWriter().fixed64(7n).finish(), (reader) => reader.fixed64()],
  ['a text', new BinaryWriter().string('text').finish(), (reader) => reader.text()],
  ['a short text', new BinaryWriter().string('text').finish(), (reader) => reader.sharedText()],
  ['a long text', new BinaryWriter().string('x'.repeat(300)).finish(), (reader) => reader.sharedText()],
  ['bytes', new BinaryWriter().string('text').finish(), (reader) => reader.bytes('hex')],
  ['a varint', new BinaryWriter().int64(-1n).finish(), (reader) => reader.int64()],
  ['a skipped varint', new BinaryWriter().int64(-1n).finish(), (reader) => reader.skip(0)],
  ['a skipped fixed64', new BinaryWriter().fixed64(7n).finish(), (reader) => reader.skip(1)],
  ['a skipped text', new BinaryWriter().string('text').finish(), (reader) => reader.skip(2)],
  ['a skipped fixed32', new BinaryWriter().fixed32(7).finish(), (reader) => reader.skip(5)],
];

test.each(FIELDS)('%s is read to its end, and refused when it is cut anywhere', (_, body, read) => {
  const whole = new WireReader(Buffer.concat([body, Buffer.from('behind')]));
  read(whole);
  expect(whole.pos).toBe(body.length);
  for (let length = 0; length < body.length; length++) {
    expect(() => read(new WireReader(Buffer.from(body).subarray(0, length)))).toThrow('premature EOF');
  }
});

test('groups and invalid wire types are refused', () => {
  for (const wire of [3, 4, 6, 7]) {
    expect(() => new WireReader(Buffer.alloc(20)).skip(wire)).toThrow(`wire type ${wire}`);
  }
});

test('the largest length that can be written never moves the reader back or reads another request', () => {
  const body = Buffer.concat([varintOf(5, 0x0f, 0xff), Buffer.from('secret')]);
  for (const read of [(reader: WireReader) => reader.text(), (reader: WireReader) => reader.skip(2)]) {
    // A part of a larger memory, as a body that was received is.
    const reader = new WireReader(body.subarray(0, 7));
    expect(() => read(reader)).toThrow('premature EOF');
    expect(reader.pos).toBeGreaterThan(body.length);
  }
});

test.each<[string, number[]]>([
  // Each length exceeds the body; a valid field follows the inner message.
  ['a message of 2^32 - 1 bytes', [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  [
    'messages of 2^32 - 1 bytes in each other',
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
  ],
  ['a message of 2^32 bytes', [0x0a, 0x80, 0x80, 0x80, 0x80, 0x10]],
  ['a tag of 2^32 + 10', [0x8a, 0x80, 0x80, 0x80, 0x10, 0x00]],
  ['a message that is longer than the one around it by a field', [0x0a, 0x02, 0x0a, 0x02, 0x0a, 0x00]],
  ['a skipped field that is longer than the message around it', [0x0a, 0x02, 0x7a, 0x02, 0x0a, 0x00]],
  ['a skipped field of number 0', [0x00, 0x00]],
])('%s is malformed', (_, bytes) => {
  expect(() => decode(LOGS, Buffer.from(bytes))).toThrow(
    expect.objectContaining({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(/^malformed protobuf: /),
    }),
  );
});

/** Bytes that are the tags and lengths of real requests more often than chance makes them. */
const likely = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0x0a, 0x12, 0x1a, 0x2a, 0x32, 0x09, 0x10, 0x00, 0x01, 0x04, 0x80, 0xff),
);

test('random bytes only cause errors that become a 400', () => {
  fc.assert(
    fc.property(fc.array(likely, { maxLength: 120 }), fc.constantFrom(LOGS, TRACES), (bytes, signal) => {
      try {
        decode(signal, Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(TasktrailError);
        expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
        // A bug of ours would be such an error too, but not with one of these for its cause.
        if (error instanceof TasktrailError && error.cause !== undefined) {
          expect(String(error.cause)).toMatch(/^RangeError: (premature EOF|wire type|a )/);
        }
      }
    }),
    { numRuns: 5000 },
  );
});

test('reading random bytes moves forward or throws', () => {
  const reads: Read[] = [
    ...FIELDS.map(([, , read]) => read),
    (reader) => reader.tag(),
    (reader) => reader.bool(),
  ];
  fc.assert(
    fc.property(fc.array(likely, { maxLength: 40 }), fc.constantFrom(...reads), (bytes, read) => {
      const reader = new WireReader(Buffer.from(bytes));
      let rounds = 0;
      for (let before = -1; reader.pos > before && outcome(() => [read(reader)]) !== 'refused'; rounds++) {
        expect(reader.pos).toBeLessThanOrEqual(bytes.length);
        before = reader.pos - 1;
      }
      expect(rounds).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 2000 },
  );
});

test('the reference reads the answers that are written without it', () => {
  for (const rejected of [1, 127, 128, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const reasons = ['größer', 'x'.repeat(200)];
    const { body } = successAnswer(LOGS, 'protobuf', [{ rejected, reasons }]);
    const reader = new BinaryReader(Buffer.from(body));
    expect(reader.tag()).toEqual([1, WireType.LengthDelimited]);
    expect(reader.uint32()).toBe(body.length - reader.pos);
    expect([reader.tag(), Number(reader.int64())]).toEqual([[1, WireType.Varint], rejected]);
    expect([reader.tag(), reader.string()]).toEqual([[2, WireType.LengthDelimited], reasons.join('; ')]);
    expect(reader.pos).toBe(body.length);
  }
  expect(successAnswer(LOGS, 'protobuf', []).body).toHaveLength(0);
  const { body } = errorAnswer('protobuf', new TasktrailError('ERR_STORE_UNAVAILABLE', 'voll ✓'));
  const reader = new BinaryReader(Buffer.from(body));
  expect([reader.tag(), reader.int32()]).toEqual([[1, WireType.Varint], 14]);
  expect([reader.tag(), reader.string()]).toEqual([[2, WireType.LengthDelimited], 'voll ✓']);
  expect(reader.pos).toBe(body.length);
});
