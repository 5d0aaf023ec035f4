import { expect, test } from 'vitest';
import { createWebhookClaims } from '../../../src/service/webhooks/webhook-claims.ts';

/** Claims of one name, of which another process has `held`. */
function open({
  held,
  metadata,
  isQueued = false,
}: {
  held?: string;
  metadata?: Record<string, string | null>;
  isQueued?: boolean;
}) {
  const settled: unknown[] = [];
  let owner = held;
  const claims = createWebhookClaims({
    claims: {
      claim: async (_name, taskId) => {
        owner ??= taskId;
        return { state: 'won', taskId: owner };
      },
      settle: async (_name, outcome) => {
        settled.push(outcome);
        if (!outcome.isStarted) owner = undefined;
      },
      knows: async () => isQueued,
    },
    reader: {
      readDocument: async () => metadata,
      listDeliveries: async () => ({ items: [], nextCursor: null }),
    },
  });
  return { settled, claim: (taskId: string, isOld = false) => claims.claim('name', { taskId, isOld }) };
}

test('a new task is won without a look at its records', async () => {
  const { claim, settled } = open({ metadata: { status: 'completed' } });
  expect(await claim('task-new')).toEqual({ state: 'won', taskId: 'task-new' });
  expect(settled).toEqual([]);
});

test.each([
  ['is not recorded', undefined, false, 'won'],
  ['is recorded as queued, and not in the queue', { status: 'queued', started_at: null }, false, 'won'],
  ['is in the queue', { status: 'queued', started_at: null }, true, 'taken'],
  ['runs', { status: 'running', started_at: '2026-01-01T00:00:00.000Z' }, false, 'taken'],
  ['was cancelled while it waited', { status: 'cancelled', started_at: null }, false, 'taken'],
  ['has failed', { status: 'failed', started_at: '2026-01-01T00:00:00.000Z' }, false, 'taken'],
] as const)('an older task that %s', async (_what, metadata, isQueued, state) => {
  for (const held of ['task-old', undefined]) {
    const { claim, settled } = open({ ...(held && { held }), ...(metadata && { metadata }), isQueued });
    const answer = await (held === undefined ? claim('task-old', true) : claim('task-new'));
    expect(answer).toEqual({ state, taskId: 'task-old', ...(state === 'taken' && { isLeft: true }) });
    expect(settled).toEqual(state === 'taken' ? [{ taskId: 'task-old', isStarted: true }] : []);
  }
});

test('an older task that was refused makes room for a new one', async () => {
  const { claim, settled } = open({ held: 'task-old', metadata: { status: 'failed', started_at: null } });
  expect(await claim('task-new')).toEqual({ state: 'won', taskId: 'task-new' });
  expect(settled).toEqual([{ taskId: 'task-old', isStarted: false }]);
  const own = open({ metadata: { status: 'failed', started_at: null } });
  const { state, taskId } = await own.claim('task-old', true);
  expect(state).toBe('won');
  expect(taskId).not.toBe('task-old');
});
