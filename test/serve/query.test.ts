import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeIssues, filter, limit, readQuery, time } from '../../src/serve/query.ts';

const schema = z.strictObject({ name: filter, since: time, limit: limit(50, 500) });

function refusal(url: string): string {
  try {
    readQuery(url, schema);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
    return String((error as Error).message);
  }
  throw new Error(`${url} was accepted`);
}

test('parameters are decoded, and absent ones have their defaults', () => {
  expect(readQuery('/tasks', schema)).toEqual({ limit: 50 });
  expect(readQuery('/tasks?name=a%20b&limit=500&since=2026-01-31', schema)).toEqual({
    name: 'a b',
    limit: 500,
    since: '2026-01-31T00:00:00.000Z',
  });
});

test.each([
  ['?limit=0', 'limit: must be a number from 1 to 500'],
  ['?limit=501', 'limit: must be a number from 1 to 500'],
  ['?limit=1e2', 'limit: must be a number from 1 to 500'],
  ['?name=', 'name: must not be empty'],
  ['?since=2026-01-31T12:00:00', 'since: must be 30m, 2h, 3d, 1w, a date, or ISO 8601 with a zone'],
  ['?name=a&name=b', 'name: must be given once'],
  ['?nmae=a', 'nmae'],
])('%s is refused: %s', (url, message) => {
  expect(refusal(url)).toContain(message);
});

test('a refusal of many unknown names is short', () => {
  const names = Array.from({ length: 1_000 }, (_, n) => `unknown${n}=1`).join('&');
  expect(refusal(`?${names}`).length).toBeLessThan(600);
});

test('issues are listed with the path of their field', () => {
  const parsed = z.object({ a: z.object({ b: z.number() }) }).safeParse({ a: { b: 'x' } });
  expect(parsed.error && describeIssues(parsed.error)).toMatch(/^a\.b: /);
});
