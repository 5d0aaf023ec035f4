import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { ANONYMOUS, type Sender } from '../../../src/model/sender.ts';
import type { StoredWorkflow } from '../../../src/model/workflow.ts';
import { progressOf } from '../../../src/record/workflow/known-workflow.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { documentOf, linesOf, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';

const AGENT: Sender = { kind: 'agent', taskId: 'task-1' };
const W = 'w-20260102T030405Z-abcd';
const FILES = ['_workflow', '2026', '01'];

let number = 2_000;

interface Place {
  readonly atMs?: number;
  readonly task?: string | null;
  readonly workflow?: string;
  readonly id?: string;
}

function event(type: string, payload: JsonObject = {}, place: Place = {}): ReceivedLog {
  number += 1;
  const { atMs = number, task = 'task-1', workflow = W, id = eventId(number) } = place;
  const attributes = {
    'tasktrail.workflow.id': workflow,
    ...(task !== null && { 'tasktrail.task.id': task }),
  };
  return log({ event: `tasktrail.${type}`, id, body: payload, attributes, atMs });
}

const STARTS = (): ReceivedLog[] => [
  event('workflow_start', {}, { atMs: 1 }),
  event('phase_start', { phase: 'build' }, { atMs: 2 }),
  event('step_start', { phase: 'build', step: { name: 'deploy' } }, { atMs: 3 }),
];

/** What an agent says in order to be believed: the step is done, and so is the workflow. */
const FORGED = (atMs: number): ReceivedLog[] => [
  event('step_complete', { phase: 'build', step: { name: 'deploy', status: 'success' } }, { atMs }),
  event(
    'step_complete',
    { phase: 'build', step: { name: 'publish', status: 'success' } },
    { atMs: atMs + 1 },
  ),
  event('phase_complete', { phase: 'build', status: 'success' }, { atMs: atMs + 2 }),
];

async function read(store: TestStore, id = W): Promise<StoredWorkflow> {
  const found = await createReader(store.dir, { workflowDir: join(store.dir, '_workflow') }).readWorkflow(id);
  if (found === undefined) throw new Error('no workflow');
  return found;
}

function isDone(stored: StoredWorkflow, step: string): boolean {
  const progress = progressOf({ ...stored.state, events: stored.events });
  const node = { phase: 'build', step };
  return progress.attemptOf(node) > 0 && !progress.isOpen(node);
}

test.each(['workflow_start', 'workflow_complete', 'workflow_resumed'])(
  'an agent does not send %s in a workflow of the trail',
  async (type) => {
    const store = await newStore();
    await store.logs(...STARTS());
    const { rejected, reasons } = await store.from(AGENT, event(type, { status: 'success' }));
    expect([rejected, reasons]).toEqual([1, [expect.stringContaining(`may not send its ${type}`)]]);
    expect((await read(store)).state).toMatchObject({ status: 'running', attempt: 1 });
  },
);

test.each([
  ['before', 0],
  ['after', 500],
])(
  'what an agent says of a step of the trail, %s it, decides neither its state nor a resumption',
  async (when, atMs) => {
    const store = await newStore();
    if (when === 'before') await store.from(AGENT, ...FORGED(atMs));
    await store.logs(...STARTS());
    if (when === 'after') expect((await store.from(AGENT, ...FORGED(atMs))).rejected).toBe(0);
    const stored = await read(store);
    const levels = stored.state.levels.map(({ phase, step, status, sender }) => [
      phase,
      step,
      status,
      sender,
    ]);
    expect(levels).toContainEqual(['build', 'deploy', null, undefined]);
    expect(levels).toContainEqual(['build', null, null, undefined]);
    expect(levels).toContainEqual(['build', 'publish', 'success', 'agent']);
    expect([isDone(stored, 'deploy'), isDone(stored, 'publish')]).toEqual([false, false]);
    expect(stored.events.filter(({ sender }) => sender === 'agent')).toHaveLength(3);
    const failed = { phase: 'build', step: { name: 'deploy', status: 'failure' } };
    await store.logs(event('step_complete', failed, { atMs: 900 }));
    const after = await read(openStore(store.dir));
    expect(after.state.levels).toContainEqual(expect.objectContaining({ step: 'deploy', status: 'failure' }));
    // The trail's event of this key, and not that of the agent.
    const ends = after.events.filter(
      ({ event_type: type, payload }) =>
        type === 'step_complete' && JSON.stringify(payload).includes('deploy'),
    );
    expect(ends).toMatchObject([{ payload: failed }]);
  },
);

test('an agent that was first owns its workflow until the trail opens it, in any order', async () => {
  const store = await newStore();
  await store.from(
    AGENT,
    event('workflow_start', {}, { atMs: 1 }),
    event('workflow_complete', { status: 'success' }, { atMs: 2 }),
  );
  expect((await read(store)).state).toMatchObject({ status: 'success', opened_by: 'agent' });
  expect((await store.from(ANONYMOUS, event('step_start', { step: 's' }, { task: null }))).rejected).toBe(1);
  expect(
    (await store.from({ kind: 'agent', taskId: 'task-2' }, event('error', {}, { task: 'task-2' }))).rejected,
  ).toBe(1);
  await store.logs(...STARTS());
  const { state } = await read(store);
  expect(state.status).toBe('running');
  expect(state.opened_by).toBeUndefined();
  expect(existsSync(join(store.dir, ...FILES, `${W}.json`))).toBe(false);
  await store.logs(event('workflow_complete', { status: 'failure' }, { atMs: 900 }));
  expect(documentOf(store.dir, ...FILES, `${W}.json`)).toMatchObject({ payload: { status: 'failure' } });
});

test('a workflow that refuses an event does not stand in the metadata of the task of its agent', async () => {
  const store = await newStore();
  await store.logs(
    event('workflow_start', {}, { task: 'task-2' }),
    event('error', {}, { task: 'task-1', workflow: 'w-mine' }),
  );
  expect((await store.from(AGENT, event('workflow_start'))).rejected).toBe(1);
  await store.pass(1_000);
  const metadata = existsSync(join(store.dir, 'task-1'))
    ? documentOf(store.dir, 'task-1', 'metadata.json')
    : {};
  expect(metadata.workflow_ids ?? []).not.toContain(W);
});

test('an anonymous workflow does not name a task of the trail, and one of its own may', async () => {
  const store = await newStore();
  await store.logs(log({ event: 'tasktrail.task.metadata', id: eventId(1), body: { status: 'running' } }));
  expect((await store.from(ANONYMOUS, event('workflow_start'))).rejected).toBe(1);
  expect(existsSync(join(store.dir, ...FILES, `${W}.facts`))).toBe(false);
  expect((await store.from(ANONYMOUS, event('workflow_start', {}, { task: 'task-own' }))).rejected).toBe(0);
  const end = event('workflow_complete', { status: 'success' }, { task: 'task-own', atMs: 5_000 });
  expect((await openStore(store.dir).from(ANONYMOUS, end)).rejected).toBe(0);
  expect(linesOf(store.dir, ...FILES, `${W}.facts`).map(({ sender }) => sender)).toEqual([
    'anonymous',
    'anonymous',
  ]);
  expect(linesOf(store.dir, ...FILES, `${W}.jsonl`).map(({ sender }) => sender)).toEqual([
    'anonymous',
    'anonymous',
  ]);
});

test('copies of the events of the trail that come without a token are repeats, before and after', async () => {
  const store = await newStore();
  const records = [...STARTS(), event('workflow_complete', { status: 'success' }, { atMs: 900 })];
  await store.from(ANONYMOUS, ...records);
  await store.logs(...records);
  const { duplicates } = store.books.snapshot();
  expect((await store.from(ANONYMOUS, ...records)).rejected).toBe(0);
  expect(store.books.snapshot().duplicates - duplicates).toBeGreaterThanOrEqual(records.length);
  expect(store.books.snapshot().dropped).toEqual({});
  await store.pass(60_000);
  await store.pass(60_000);
  const stored = await read(store);
  expect(stored.events).toHaveLength(records.length);
  expect(stored.events.every(({ sender }) => sender === undefined)).toBe(true);
  expect(linesOf(store.dir, ...FILES, `${W}.jsonl`)).toEqual(stored.events);
});

test('an agent does not grant what the trail asks for', async () => {
  const store = await newStore();
  await store.logs(...STARTS(), event('approval_request', { approval_id: 'a-1' }));
  await store.from(AGENT, event('approval_granted', { approval_id: 'a-1' }));
  expect((await read(store)).state.status).toBe('waiting');
  await store.logs(event('approval_granted', { approval_id: 'a-1' }));
  expect((await read(store)).state.status).toBe('running');
});

test.each([0, Date.parse('9999-12-01T00:00:00Z')])(
  'a workflow without a stamp is not filed under the year of %d',
  async (ms) => {
    const store = await newStore();
    await store.logs(
      event(
        'workflow_start',
        {},
        { task: null, workflow: 'w-plain', atMs: ms - Date.parse('2026-01-02T03:04:05.000Z') },
      ),
    );
    expect(existsSync(join(store.dir, ...FILES, 'w-plain.facts'))).toBe(true);
  },
);
