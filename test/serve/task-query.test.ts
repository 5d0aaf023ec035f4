import { expect, test } from 'vitest';
import { readTaskQuery } from '../../src/serve/task-query.ts';
import { readEventsQuery, readFeedQuery, readWorkflowQuery } from '../../src/serve/workflow-query.ts';

test('tasks are filtered by status, source, provider, agent and time', () => {
  const query = 'status=failed&source=webhook&provider=github&agent=claude&since=2026-01-01&limit=5&cursor=c';
  expect(readTaskQuery(`/tasks?${query}`)).toEqual({
    status: 'failed',
    source: 'webhook',
    provider: 'github',
    agent: 'claude',
    since: '2026-01-01T00:00:00.000Z',
    limit: 5,
    cursor: 'c',
  });
  expect(readTaskQuery('/tasks')).toEqual({ limit: 50 });
});

test('an unknown status is refused with the known ones', () => {
  expect(() => readTaskQuery('/tasks?status=done')).toThrow(/status: must be one of .*running/);
});

test('workflows may have any status', () => {
  expect(readWorkflowQuery('/workflows?status=shipped')).toEqual({ status: 'shipped', limit: 50 });
});

test('events are filtered by type, and a page of the feed holds more of them', () => {
  expect(readEventsQuery('/events?type=step_start')).toEqual({ type: 'step_start' });
  expect(() => readEventsQuery('/events?type=step')).toThrow(/type: must be one of /);
  expect(readFeedQuery('/events')).toEqual({ limit: 100 });
  expect(readFeedQuery('/events?limit=1000&after=x')).toEqual({ limit: 1000, after: 'x' });
  expect(() => readFeedQuery('/events?limit=1001')).toThrow(/from 1 to 1000/);
});
