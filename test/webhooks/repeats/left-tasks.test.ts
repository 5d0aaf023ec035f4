import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { FlowWindow } from '../../../src/model/task-reading.ts';
import { createLedger, type DeliveryLedger } from '../../../src/webhooks/repeats/ledger.ts';
import { readRecordedStages } from '../../../src/webhooks/repeats/recorded-stages.ts';
import type { SharedClaims } from '../../../src/webhooks/repeats/shared-claims.ts';
import { comment, deliver } from '../../support/deliveries.ts';
import { installMemory } from '../../support/memory-recorder.ts';
import { openReceiver } from '../../support/receiver.ts';

const TASK = 'task-01m8n4ne34b4bfy549e65qh7qy';
const MADE_AT = '2026-11-30T02:31:09.668Z';
const ALL = [
  'received',
  'validation',
  'command_matching',
  'immediate_response',
  'task_created',
  'queue_push',
];

/** The process that received this delivery ended after it had queued the task, with these stages recorded. */
function leftBehind(stages: readonly string[]): DeliveryLedger {
  return {
    find: async (_, id) =>
      id === 'd1' ? { tasks: new Map([['review', TASK]]), isAnswered: false } : undefined,
    readStages: async () => new Set(stages),
  };
}

async function idsOf(response: Response): Promise<readonly string[]> {
  return ((await response.json()) as { readonly task_ids: readonly string[] }).task_ids;
}

function stagesOf(record: JsonObject | undefined): readonly JsonObject[] {
  return (record?.stages ?? []) as readonly JsonObject[];
}

test('a delivery that comes again, because its process ended before the answer, is accepted with the task of that process', async () => {
  const memory = installMemory();
  const receiver = await openReceiver({ ledger: leftBehind(ALL.slice(0, 5)) });
  const payload = comment('@agent review', {}, 7);
  const accepted = await deliver(receiver.url, payload, { id: 'd1' });
  expect(accepted.status).toBe(202);
  expect(await idsOf(accepted)).toEqual([TASK]);
  expect(receiver.tasks).toEqual([]);
  const [record] = memory.bodies('tasktrail.webhook.delivery') as JsonObject[];
  expect(record).toMatchObject({ outcome: 'accepted', task_ids: [TASK] });
  expect(stagesOf(record).map(({ stage }) => stage)).toEqual(ALL);
  const ofTask = memory.facts.filter(({ attributes }) => attributes?.['tasktrail.task.id'] === TASK);
  expect(ofTask.map(({ eventName }) => eventName)).toEqual(['tasktrail.webhook.queue_push']);

  const again = await deliver(receiver.url, payload, { id: 'd1' });
  expect(again.status).toBe(200);
  expect(await idsOf(again)).toEqual([TASK]);
  expect(memory.bodies('tasktrail.webhook.delivery')).toMatchObject([
    { outcome: 'accepted' },
    { outcome: 'duplicate', task_ids: [TASK] },
  ]);
  await receiver.close();
});

test('a task of which nothing was recorded gets all stages, its input and the time in its id, and no status', async () => {
  const memory = installMemory();
  const claims: SharedClaims = {
    claim: async () => ({ state: 'taken', taskId: TASK, isLeft: true }),
    settle: async () => {},
  };
  const receiver = await openReceiver({ claims, ledger: { ...leftBehind([]), find: async () => undefined } });
  const accepted = await deliver(receiver.url, comment('@agent review', {}, 7), { id: 'd1' });
  expect(accepted.status).toBe(202);
  const ofTask = memory.facts.filter(({ attributes }) => attributes?.['tasktrail.task.id'] === TASK);
  const names = ofTask.map(({ eventName }) => eventName);
  for (const stage of ALL)
    expect(names.filter((name) => name === `tasktrail.webhook.${stage}`)).toHaveLength(1);
  const metadata = ofTask.find(({ eventName }) => eventName === 'tasktrail.task.metadata')
    ?.body as JsonObject;
  expect(metadata).toMatchObject({ command: 'review', webhook_id: 'd1', created_at: MADE_AT });
  expect(metadata).not.toHaveProperty('status');
  expect(memory.bodies('tasktrail.task.input')).toMatchObject([{ message: '@agent review' }]);
  await receiver.close();
});

test('beside a task that was left, the other commands of the delivery start', async () => {
  const memory = installMemory();
  const receiver = await openReceiver({ ledger: leftBehind(ALL) });
  const accepted = await deliver(receiver.url, comment('@agent review\n@agent fix', {}, 7), { id: 'd1' });
  expect(accepted.status).toBe(202);
  expect(receiver.tasks.map(({ command }) => command)).toEqual(['fix']);
  expect(await idsOf(accepted)).toEqual([TASK, receiver.tasks[0]?.id]);
  const [record] = memory.bodies('tasktrail.webhook.delivery') as JsonObject[];
  const stages = stagesOf(record);
  expect(stages.filter(({ stage }) => stage === 'immediate_response')).toHaveLength(1);
  expect(
    stages
      .filter(({ stage }) => stage === 'task_created')
      .map(({ command }) => command)
      .sort(),
  ).toEqual(['fix', 'review']);
  const ofTask = memory.facts.filter(({ attributes }) => attributes?.['tasktrail.task.id'] === TASK);
  expect(ofTask).toEqual([]);
  await receiver.close();
});

function flowOf(lines: readonly object[]): FlowWindow {
  return {
    skippedLines: 0,
    firstLine: 0,
    lineCount: lines.length,
    leftOut: [],
    next: undefined,
    previous: undefined,
    lines: async function* () {
      for (const line of lines) yield JSON.stringify(line);
    },
    close: async () => {},
  };
}

test('lines of other senders are no stages, and a flow that cannot be read counts as complete', async () => {
  const faults: unknown[] = [];
  const read = (open: () => Promise<ReturnType<typeof flowOf> | undefined>) =>
    readRecordedStages(TASK, open, (error) => void faults.push(error));
  const lines = [{ stage: 'received' }, { stage: 'queue_push', sender: 'h:1234' }];
  expect([...(await read(async () => flowOf(lines)))]).toEqual(['received']);
  expect([...(await read(async () => undefined))]).toEqual([]);
  const fault = new Error('EIO');
  expect([...(await read(() => Promise.reject(fault)))]).toEqual(ALL);
  expect(faults).toEqual([fault]);
});

test('without a reader of flows the stages of an earlier process count as recorded', async () => {
  const ledger = createLedger({ listDeliveries: async () => ({ items: [], nextCursor: null }) });
  expect(ledger.readStages).toBeUndefined();
});
