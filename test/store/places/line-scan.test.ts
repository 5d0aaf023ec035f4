import { expect, test } from 'vitest';
import { LineScan } from '../../../src/store/places/line-scan.ts';
import { OffsetIndex } from '../../../src/store/places/offset-index.ts';
import { LineSplitter } from '../../../src/system/lines.ts';

const long = 'x'.repeat(70_000);
const LINES: readonly string[] = [
  '{"a":1,"event_id":"plain"}',
  '',
  '{"a":1}',
  '{"event_id":""}',
  '{"event_id":"ends with \\\\"}',
  '{"event_id":"quo\\"te"}',
  '{"payload":{"event_id":"inner"},"event_id":"outer"}',
  '{"event_id":"outer","payload":{"event_id":"inner"}}',
  '{"text":"\\"event_id\\":\\"x\\"","event_id":"y"}',
  '{"event_id":"no end',
  '{"event_id":',
  '{"event_id":"é and 😀"}',
  `{"event_id":"${'l'.repeat(300)}"}`,
  `{"event_id":"before a long text","content":"${long}"}`,
  `{"content":"${long}","event_id":"behind a long text"}`,
  '\u0000\u0000{"event_id":"after zeros"}',
  '"event_id":"x"',
  ' \t',
];

function bySplitting(content: Buffer): OffsetIndex {
  const index = new OffsetIndex();
  const splitter = new LineSplitter();
  for (const line of splitter.push(content)) index.add(line);
  return index;
}

function byScanning(content: Buffer, pieceBytes: number): OffsetIndex {
  const index = new OffsetIndex();
  const scan = new LineScan(index);
  for (let at = 0; at < content.length; at += pieceBytes)
    // A copy that is overwritten, as the buffer of a reader is.
    scan.push(Buffer.from(content.subarray(at, at + pieceBytes)));
  return index;
}

test.each([1, 7, 64, 1_000, 65_536, 1_000_000])(
  'pieces of %i bytes give the hashes and starts of the lines',
  (pieceBytes) => {
    const repeated = Array.from({ length: 40 }, (_, n) => `{"n":${n},"event_id":"id-${n}"}`);
    const text = [...LINES, ...repeated, ...LINES.toReversed(), ...repeated, 'an unfinished line'].join('\n');
    const content = Buffer.from(text);
    expect(byScanning(content, pieceBytes).parts).toEqual(bySplitting(content).parts);
  },
);

test('a line over the limit has no hash, and the lines behind it have theirs', () => {
  const line = '{"event_id":"a"}\n';
  const content = Buffer.from(`${line}{"event_id":"${'x'.repeat(17 * 1_048_576)}"}\n${line}`);
  const index = byScanning(content, 262_144);
  expect(index.parts).toEqual(bySplitting(content).parts);
  expect([index.lines, index.hashAt(1), index.hashAt(2)]).toEqual([3, 0, index.hashAt(0)]);
});
