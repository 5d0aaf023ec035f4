import { expect, test } from 'vitest';
import { openDoorNote } from '../../src/cli/open-door.ts';

test('the start of root without a token names what every user of the machine can do', () => {
  expect(openDoorNote({ apiToken: undefined }, 'all', 0)).toContain('Set TASK_LOGS_API_TOKEN');
  expect(openDoorNote({ apiToken: undefined }, 'serve', 0)).toContain('run as root');
});

test.each([
  ['another user', undefined, 'all', 1000],
  ['a token', 'token-of-sixteen', 'all', 0],
  ['a worker, which has no API', undefined, 'worker', 0],
  ['Windows', undefined, 'all', undefined],
] as const)('the start with %s says nothing of it', (_what, apiToken, role, uid) => {
  const none = uid === undefined ? -1 : uid;
  expect(openDoorNote({ apiToken }, role, none)).toBeUndefined();
});
