import { expect, test } from 'vitest';
import { type ServerEvent, SseParser } from '../../src/client/sse.ts';
import { fc } from '../support/fast-check.ts';

function parse(pieces: readonly string[]): readonly ServerEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.take(piece).events);
}

const event = (data: string, more: Partial<ServerEvent> = {}): ServerEvent => ({
  event: 'message',
  data,
  id: undefined,
  ...more,
});

test.each([
  ['fields, with and without a space', 'event:a\ndata: b\nid: 1\n\n', [event('b', { event: 'a', id: '1' })]],
  ['lines of data are joined', 'data: a\ndata\ndata:  b\n\n', [event('a\n\n b')]],
  ['comments and unknown fields are left out', ':\n\n: x\nfoo: bar\ndata: a\n\n', [event('a')]],
  ['an event without data is none, and its name is forgotten', 'event: x\n\ndata: a\n\n', [event('a')]],
  ['half an event at the end is none', 'data: a\n\ndata: b\n', [event('a')]],
  ['a mark of the byte order is left out', '\uFEFFdata: a\n\n', [event('a')]],
  ['CR and CR LF end lines', 'data: a\r\rdata: b\r\n\r\n', [event('a'), event('b')]],
  ['U+2028 ends none', 'data: a\u2028b\n\n', [event('a\u2028b')]],
  ['an id with NUL is none', 'id: a\0\ndata: b\n\n', [event('b')]],
])('%s', (_, text, events) => {
  expect(parse([text])).toEqual(events);
});

test('wherever a stream is cut, its events are the same', () => {
  const part = fc.constantFrom(
    'data: a',
    'id: 7',
    'event: x',
    ':',
    '',
    '\r',
    '\n',
    '\r\n',
    '\n\n',
    'data: é😀',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.array(fc.nat(80), { maxLength: 8 }), (parts, cuts) => {
      const text = parts.join('');
      const places = [0, ...cuts.filter((cut) => cut <= text.length).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((to, at) => text.slice(places[at], to));
      expect(parse(pieces)).toEqual(parse([text]));
    }),
  );
});

test('the time until the next connection is read', () => {
  expect(new SseParser().take('retry: 10\n\n').retryMs).toBe(10);
  expect(new SseParser().take('retry: 1e9\n\n').retryMs).toBeUndefined();
});

test('an event of many pieces costs time in proportion to its length', () => {
  const parser = new SseParser();
  parser.take('data: ');
  for (let piece = 0; piece < 20_000; piece += 1) parser.take('x'.repeat(100));
  expect(parser.take('\n\n').events[0]?.data).toHaveLength(2_000_000);
});
