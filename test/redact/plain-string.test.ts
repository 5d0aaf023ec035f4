import { expect, test, vi } from 'vitest';
import { mayHoldSecret } from '../../src/redact/find.ts';
import { redactJson } from '../../src/redact/redact.ts';

const SECRET = 'hV7kQ2mZ9xT4bL8wR1';

test.each([
  ['a sentence that names a secret', { reason: 'no GITHUB_TOKEN is set', status: 'skipped' }],
  ['the same in a list', ['say why', 'no GITHUB_TOKEN is set', 'done']],
  ['the same as an attribute', { key: 'reason', value: { stringValue: 'no GITHUB_TOKEN is set' } }],
])('%s needs no look at each string', (_what, value) => {
  expect(mayHoldSecret(JSON.stringify(value))).toBe(false);
});

test.each([
  ['of a field with the name', { GITHUB_TOKEN: SECRET }],
  ['behind the name in the same string', { note: `no GITHUB_TOKEN is set, GITHUB_TOKEN=${SECRET}` }],
  ['behind a string that is the name', { key: 'GITHUB_TOKEN', value: SECRET }],
  ['behind an option', ['run', '--github-token', SECRET]],
  ['in a pair', ['github_token', SECRET]],
  ['behind a sentence', { reason: 'no GITHUB_TOKEN is set', next: `password=${SECRET}` }],
  ['behind an escaped quotation mark', { note: `{"GITHUB_TOKEN":"${SECRET}"}` }],
  ['of a field that ends in the name', { 'no GITHUB_TOKEN': SECRET }],
])('a secret %s is masked', (_what, value) => {
  const masked = redactJson(JSON.stringify(value));
  expect(masked).not.toContain(SECRET);
  expect(JSON.parse(masked)).toBeTypeOf('object');
});

test('a text of many names takes time in proportion to its length', () => {
  const look = vi.spyOn(String.prototype, 'lastIndexOf');
  mayHoldSecret(JSON.stringify({ content: 'the GITHUB_TOKEN is set. '.repeat(10_000) }));
  expect(look.mock.calls.length).toBeLessThan(5);
  look.mockRestore();
});
