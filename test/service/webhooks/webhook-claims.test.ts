import { expect, test } from 'vitest';
import { createWebhookClaims } from '../../../src/service/webhooks/webhook-claims.ts';

/** Claims of one name, of which another process has `held`. */
function open({
  held,
  metadata,
  isQueued = false,
  isRecorded = false,
  keepsIds = false,
}: {
  held?: string;
  metadata?: Record<string, string | null>;
  isQueued?: boolean;
  /** Whether the accepted delivery is. */
  isRecorded?: boolean;
  keepsIds?: boolean;
}) {
  const settled: unknown[] = [];
  let owner = held;
  const items = isRecorded ? [{ outcome: 'accepted' }] : [{ outcome: 'accepted', sender: 'anonymous' }];
  const claims = createWebhookClaims({
    keepsIds,
    claims: {
      claim: async (_name, taskId) => {
        owner ??= taskId;
        return { state: 'won', taskId: owner };
      },
      settle: async (_name, outcome) => {
        const { taskId, isStarted, keepsId } = outcome;
        settled.push({ taskId, isStarted, ...(keepsId === true && { keepsId }) });
        if (!outcome.isStarted) owner = undefined;
      },
      knows: async () => isQueued,
    },
    reader: {
      readDocument: async () => {
        if (metadata === undefined && keepsIds) throw new RangeError('VictoriaLogs is away');
        return metadata;
      },
      listDeliveries: async () => ({ items, nextCursor: null }),
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

test('a task whose delivery is recorded is not left, whatever other senders have recorded', async () => {
  const metadata = { status: 'running', started_at: '2026-01-01T00:00:00.000Z' };
  for (const isRecorded of [true, false]) {
    const { claim } = open({ held: 'task-old', metadata, isRecorded });
    expect(await claim('task-new')).toEqual({ state: 'taken', taskId: 'task-old', isLeft: !isRecorded });
  }
});

test('where a task is recorded before it is queued, its claim waits while its records cannot be read', async () => {
  const { claim, settled } = open({ held: 'task-old', keepsIds: true });
  await expect(claim('task-new')).rejects.toThrow('VictoriaLogs is away');
  expect(settled).toEqual([{ taskId: 'task-old', isStarted: false, keepsId: true }]);
});

test('a delivery that was taken before is named with the id and the time of the first one', async () => {
  const notes: (string | undefined)[] = [];
  const claims = createWebhookClaims({
    claims: {
      claim: async (_name, taskId, note) => {
        notes.push(note);
        return { state: notes.length === 1 ? 'won' : 'taken', taskId, ...(notes[0] && { note: notes[0] }) };
      },
      settle: async () => {},
      knows: async () => false,
    },
    reader: {
      readDocument: async () => undefined,
      listDeliveries: async () => ({ items: [], nextCursor: null }),
    },
  });
  const first = { deliveryId: 'delivery-1', atMs: 1_700_000_000_000 };
  await claims.claim('name', { taskId: 'task-1', isOld: false, first });
  const again = {
    taskId: 'task-1',
    isOld: false,
    first: { deliveryId: 'delivery-2', atMs: 1_700_000_001_000 },
  };
  expect(await claims.claim('name', again)).toEqual({ state: 'taken', taskId: 'task-1', first });
});
