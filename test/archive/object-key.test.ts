import { expect, test } from 'vitest';
import { objectKey } from '../../src/archive/object-key.ts';

const ID = 'workflow-199-20250702T150000Z';

test.each([
  ['workflow/{year}/{month}/', `workflow/2025/07/${ID}.json`],
  ['workflow/{year}/{m}/', `workflow/2025/7/${ID}.json`],
  ['', `${ID}.json`],
  ['{year}/{year}-{m}-', `2025/2025-7-${ID}.json`],
  ['{day}/$&/', `{day}/$&/${ID}.json`],
])('the prefix %j gives the object %s', (prefix, key) => {
  expect(objectKey(prefix, ID, { year: '2025', month: '07' })).toBe(key);
});

test('months from October on are equal with and without padding', () => {
  expect(objectKey('{month}{m}/', 'w', { year: '2025', month: '10' })).toBe('1010/w.json');
});
