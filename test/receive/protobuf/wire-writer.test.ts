import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { bytesField, varintField } from '../../../src/receive/protobuf/wire-writer.ts';

test.each([0, 1, 127, 128, 300, 2 ** 32, Number.MAX_SAFE_INTEGER])('the number %d is read back', (value) => {
  const reader = new BinaryReader(varintField(3, value));
  expect(reader.tag()).toEqual([3, WireType.Varint]);
  expect(Number(reader.uint64())).toBe(value);
  expect(reader.pos).toBe(reader.len);
});

test.each(['', 'abc', 'ä\u{1F600}', 'x'.repeat(1_000)])('a text is read back (%#)', (text) => {
  const reader = new BinaryReader(bytesField(200, text));
  expect(reader.tag()).toEqual([200, WireType.LengthDelimited]);
  expect(reader.string()).toBe(text);
});

test('bytes are read back', () => {
  const reader = new BinaryReader(bytesField(1, Uint8Array.of(0, 255)));
  reader.tag();
  expect([...reader.bytes()]).toEqual([0, 255]);
});
