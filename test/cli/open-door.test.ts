import { expect, test } from 'vitest';
import { openDoorNote } from '../../src/cli/open-door.ts';

const agents = { own: { command: ['own'] }, other: { command: ['other'], user: 'nobody' } };
const base = { apiToken: undefined, agents, agentUser: undefined };

test('the start of root without a token names what every user of the machine can do', () => {
  expect(openDoorNote(base, 'all', 0)).toContain('Set TASK_LOGS_API_TOKEN');
  expect(openDoorNote(base, 'all', 0)).toContain('run as root');
  expect(openDoorNote(base, 'serve', 0)).toContain('run as root');
});

test('with another user for every agent the tasks do not run as root', () => {
  const note = openDoorNote({ ...base, agentUser: 'nobody' }, 'all', 0);
  expect(note).toContain('every user of this machine can start tasks. Set TASK_LOGS_API_TOKEN');
});

test.each([
  ['another user', undefined, 'all', 1000],
  ['a token', 'token-of-sixteen', 'all', 0],
  ['a worker, which has no API', undefined, 'worker', 0],
  ['Windows', undefined, 'all', undefined],
] as const)('the start with %s says nothing of it', (_what, apiToken, role, uid) => {
  const none = uid === undefined ? -1 : uid;
  expect(openDoorNote({ ...base, apiToken }, role, none)).toBeUndefined();
});
