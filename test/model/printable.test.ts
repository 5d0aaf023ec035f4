import { expect, test } from 'vitest';
import { printableText, printableValue, printableWords } from '../../src/model/printable.ts';

test.each([
  ['redis://user:hidden@redis.test:6379/2', 'redis://...@redis.test:6379/2'],
  ['redis://:hidden@redis.test', 'redis://...@redis.test'],
  ['https://hidden@proxy.test/path', 'https://...@proxy.test/path'],
  ['http://a:hid@den@host', 'http://...@host'],
  ['failed at http://a:hidden@h:1/x, and at s3://b/c', 'failed at http://...@h:1/x, and at s3://b/c'],
  ['https://h/x?a=1&token=hidden&b=2#sig=hidden', 'https://h/x?a=1&token=...&b=2#sig=...'],
  [
    'https://h/x?X-Amz-Signature=hidden&X-Amz-Credential=hidden',
    'https://h/x?X-Amz-Signature=...&X-Amz-Credential=...',
  ],
  [
    'https://h/?code=hidden&api_key=hidden&access-key=hidden',
    'https://h/?code=...&api_key=...&access-key=...',
  ],
  [
    'http://localhost:16686/trace/{trace_id}?monkey=1&zipcode=2',
    'http://localhost:16686/trace/{trace_id}?monkey=1&zipcode=2',
  ],
  ['npm i @acme/x at https://github.com/acme/x', 'npm i @acme/x at https://github.com/acme/x'],
])('%s is printed as %s', (text, expected) => {
  expect(printableText(text)).toBe(expected);
});

test.each([
  ['redis://user:hid/den@redis.test', 'redis://...@redis.test'],
  ['http://user:hid#den?x@redis.test', 'http://...@redis.test'],
  ['user:hidden@host:4318', '...@host:4318'],
  ['claude --token=hidden "open', 'claude --token=... "open'],
  ['http://j/{trace_id} http://u:hid/den@x/{trace_id}', 'http://j/{trace_id} http://...@x/{trace_id}'],
])('of the refused value %s only %s is shown', (value, expected) => {
  expect(printableValue(value)).toBe(expected);
});

test('the words of a command are shown without the values of secret options', () => {
  const words = [
    'tool',
    '--token=hidden',
    '--api-key',
    'hidden',
    '-p',
    'two words',
    'GH_TOKEN=hidden',
    '--password',
    '--x',
  ];
  const more = [
    '-H',
    'Authorization: Bearer hidden',
    '--header',
    'Accept: text',
    'https://u:hidden@h/?sig=hidden',
  ];
  expect(printableWords([...words, ...more], '(set)')).toEqual([
    ...[
      'tool',
      '--token=(set)',
      '--api-key',
      '(set)',
      '-p',
      'two words',
      'GH_TOKEN=(set)',
      '--password',
      '--x',
    ],
    ...['-H', 'Authorization: (set)', '--header', 'Accept: text', 'https://(set)@h/?sig=(set)'],
  ]);
});

test.each(['?token', '://', 'a@', '?', '--key', 'token_'])(
  'the time grows with the text, not with its square: %s',
  (piece) => {
    const time = (count: number): number => {
      const text = piece.repeat(count);
      let best = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 3; run += 1) {
        const start = performance.now();
        printableText(text);
        printableValue(text);
        printableWords([text]);
        best = Math.min(best, performance.now() - start);
      }
      return best;
    };
    time(2_000);
    expect(time(40_000)).toBeLessThan(Math.max(50, time(10_000) * 10));
  },
);
