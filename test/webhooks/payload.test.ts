import { expect, test } from 'vitest';
import { parsePayload } from '../../src/webhooks/payload.ts';

/** As many commits as GitHub puts into a push, each with its fields and three files. */
function largestPush(): string {
  const person = { name: 'a', email: 'a@example.com', username: 'a', date: '2026-01-01T00:00:00Z' };
  const files = { added: ['a', 'b'], removed: [], modified: ['c'] };
  const commit = { id: 'x', tree_id: 'y', distinct: true, message: 'm, [n], {o}', url: 'u', ...files };
  return JSON.stringify({
    commits: Array.from({ length: 2_048 }, () => ({ ...commit, author: person, committer: person })),
  });
}

test('the largest push is read, and what stands in strings does not count as values', () => {
  expect(parsePayload(Buffer.from(largestPush()))).toHaveProperty('commits');
  const text = String.raw`,[{"\\`.repeat(200_000);
  expect(parsePayload(JSON.stringify({ text }))).toEqual({ text });
});

test.each([
  ['lists', `{"a":[${'[],'.repeat(400_000)}1]}`],
  ['numbers', `{"a":[${'1,'.repeat(400_000)}1]}`],
  ['objects', `{"a":[${'{},'.repeat(400_000)}1]}`],
  ['fields', `{${Array.from({ length: 160_000 }, (_, n) => `"k${n}":1`).join(',')}}`],
  ['strings after each other', `{"a":${'""'.repeat(400_000)}}`],
])('very many %s are refused before they are parsed', (_name, body) => {
  expect(() => parsePayload(Buffer.from(body))).toThrow(
    expect.objectContaining({ code: 'ERR_INPUT_INVALID', reason: 'too_many_values' }),
  );
});
