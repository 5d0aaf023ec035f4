import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import type { StoreObserver } from '../../../src/store/write/observer.ts';
import { Store } from '../../../src/store/write/store.ts';
import { tempDir } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';

const WORKFLOW = 'workflow-199-20260102T030405Z-ab12';

interface Watched {
  readonly store: Store;
  readonly books: Books;
  /** Calls of the observer, one line each. */
  readonly reports: string[];
  /** Last reported approvals by workflow. */
  readonly waiting: Map<string, number>;
  logs(...logs: readonly ReceivedLog[]): Promise<number>;
  pass(ms: number): Promise<void>;
}

function watch(logDir: string, more: StoreObserver = {}): Watched {
  const reports: string[] = [];
  const waiting = new Map<string, number>();
  const observer: StoreObserver = {
    taskEnded: ({ metadata, result, before }) => {
      const cost = (one: typeof result | undefined) => one?.metrics.cost_usd ?? 'nothing';
      reports.push(`${metadata.task_id} ${result.status}: ${cost(result)} after ${cost(before)}`);
    },
    workflowEnded: ({ name, document: { attempt, revision, measured }, before }) => {
      const retries = `${measured.retries} retries after ${before?.measured.retries ?? 'none'}`;
      reports.push(`${name} attempt ${attempt} revision ${revision}: ${retries}`);
    },
    approvalsWait: (id, count) => waiting.set(id, count),
    deliveryStored: ({ provider, outcome }) => reports.push(`${provider} ${outcome}`),
    ...more,
  };
  let now = Date.parse('2026-01-02T04:00:00Z');
  const books = new Books();
  const store = new Store({ logDir, books, observer, now: () => now, onSpan: () => {}, log: () => {} });
  return {
    store,
    books,
    reports,
    waiting,
    logs: async (...logs) => (await store.ingest({ logs, spans: [] }, TRAIL)).rejected,
    pass: async (ms) => {
      now += ms;
      await store.tick();
    },
  };
}

interface EndOptions {
  readonly number: number;
  readonly status?: string;
  readonly cost?: number;
  readonly attempt?: number;
}

function end({ number, status = 'completed', cost = 0.5, attempt = 1 }: EndOptions): ReceivedLog {
  return log({
    event: 'tasktrail.task.result',
    id: eventId(number),
    atMs: number,
    body: { success: status === 'completed', status, metrics: { cost_usd: cost } },
    attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': attempt },
  });
}

function metadata(number: number, body: JsonObject, attempt = 1): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': attempt };
  return log({ event: 'tasktrail.task.metadata', id: eventId(number), atMs: number, body, attributes });
}

function event(number: number, type: string, body: JsonObject = {}): ReceivedLog {
  const attributes = { 'tasktrail.workflow.id': WORKFLOW, 'gen_ai.workflow.name': 'review' };
  return log({ event: `tasktrail.${type}`, id: eventId(number), atMs: number, body, attributes });
}

function delivery(number: number): ReceivedLog {
  const attributes = { 'tasktrail.webhook.provider': 'github' };
  const body = { outcome: 'accepted' };
  return log({ event: 'tasktrail.webhook.delivery', id: eventId(number), atMs: number, body, attributes });
}

test('the end of a task is reported once, also when its records are sent again', async () => {
  const { logs, reports, pass } = watch(await tempDir());
  await logs(metadata(1, { status: 'running' }));
  expect(reports).toEqual([]);
  await logs(end({ number: 2 }), end({ number: 2 }));
  await logs(end({ number: 2 }), metadata(3, { model: 'm' }));
  await pass(60_000);
  await pass(60_000);
  expect(reports).toEqual(['task-1 completed: 0.5 after nothing']);
});

test('an ended task is not reported by the next process, also when its records are sent again', async () => {
  const dir = await tempDir();
  await watch(dir).logs(metadata(1, { status: 'running' }), end({ number: 2 }));
  const second = watch(dir);
  await second.store.recover();
  await second.logs(metadata(1, { status: 'running' }), end({ number: 2 }), metadata(3, { model: 'm' }));
  expect(second.reports).toEqual([]);
});

test.each([
  ['before its documents', ['metadata.json', '04-final-result.json']],
  ['between the result and the status', ['metadata.json']],
])('an end that a killed process did not report is reported by the next one: %s', async (_when, missing) => {
  const dir = await tempDir();
  const first = watch(dir);
  await first.logs(metadata(1, { status: 'running' }));
  const running = readFileSync(join(dir, 'task-1', 'metadata.json'));
  await first.logs(end({ number: 2 }));
  for (const name of missing) rmSync(join(dir, 'task-1', name));
  writeFileSync(join(dir, 'task-1', 'metadata.json'), running);
  const second = watch(dir);
  await second.store.recover();
  await second.logs(end({ number: 2 }));
  expect(second.reports).toEqual(['task-1 completed: 0.5 after nothing']);
});

test('a second end of an attempt that was given up is reported with the first one', async () => {
  const dir = await tempDir();
  const { logs, reports } = watch(dir);
  await logs(end({ number: 1, status: 'abandoned', cost: 0.2 }));
  await logs(end({ number: 2, cost: 0.5 }));
  expect(reports).toEqual(['task-1 abandoned: 0.2 after nothing', 'task-1 completed: 0.5 after 0.2']);
  const second = watch(dir);
  await second.logs(end({ number: 3, status: 'failed', cost: 0.7 }));
  expect(second.reports).toEqual([]);
});

test('a new attempt is a new end with its own amounts, also for the next process', async () => {
  const dir = await tempDir();
  await watch(dir).logs(end({ number: 1, status: 'abandoned', cost: 0.2 }));
  const { logs, reports } = watch(dir);
  await logs(metadata(2, { status: 'running' }, 2));
  await logs(end({ number: 3, attempt: 2 }));
  expect(reports).toEqual(['task-1 completed: 0.5 after nothing']);
});

const RUN = [
  event(0, 'workflow_start'),
  event(1, 'phase_start', { phase: 'build' }),
  event(2, 'phase_complete', { phase: 'build', status: 'failure' }),
  event(3, 'phase_start', { phase: 'build' }),
  event(4, 'phase_complete', { phase: 'build', status: 'success' }),
  event(5, 'workflow_complete', { status: 'success' }),
];

test('the end of a workflow is reported once, and a later revision with the earlier one', async () => {
  const dir = await tempDir();
  const { logs, reports, pass } = watch(dir);
  await logs(...RUN);
  await logs(...RUN);
  await pass(5_000);
  expect(reports).toEqual(['review attempt 1 revision 1: 1 retries after none']);
  const second = watch(dir);
  await second.store.recover();
  await second.logs(...RUN);
  expect(second.reports).toEqual([]);
  // A late event: the document gets a new revision.
  await second.logs(event(6, 'artifact_create', { artifact: { type: 'spec' } }));
  await second.pass(5_000);
  expect(second.reports).toEqual(['review attempt 1 revision 2: 1 retries after 1']);
});

test('waiting approvals are reported, also by the next process, until the workflow ends', async () => {
  const dir = await tempDir();
  const first = watch(dir);
  await first.logs(event(0, 'workflow_start'), event(1, 'approval_request', { approval: 'spec' }));
  await first.logs(event(2, 'approval_request', { approval: 'merge' }));
  expect(first.waiting.get(WORKFLOW)).toBe(2);
  const second = watch(dir);
  await second.store.recover();
  expect(second.waiting.get(WORKFLOW)).toBe(2);
  await second.logs(event(3, 'approval_granted', { approval: 'spec' }));
  expect(second.waiting.get(WORKFLOW)).toBe(1);
  await second.logs(event(4, 'workflow_complete', { status: 'cancelled' }));
  expect(second.waiting.get(WORKFLOW)).toBe(0);
});

test('a delivery is reported once, also with duplicates and restarts', async () => {
  const dir = await tempDir();
  const first = watch(dir);
  await first.logs(delivery(1), delivery(1), delivery(2));
  await first.logs(delivery(2));
  expect(first.reports).toEqual(['github accepted', 'github accepted']);
  const second = watch(dir);
  await second.logs(delivery(1), delivery(3));
  expect(second.reports).toEqual(['github accepted']);
});

test('an observer that throws does not affect storing', async () => {
  const dir = await tempDir();
  const fail = (): never => {
    throw new RangeError('a defect');
  };
  const { logs, books } = watch(dir, {
    taskEnded: fail,
    workflowEnded: fail,
    approvalsWait: fail,
    deliveryStored: fail,
  });
  expect(await logs(end({ number: 20 }), ...RUN, delivery(30))).toBe(0);
  expect(books.snapshot()).toMatchObject({ accepted: 8, duplicates: 0 });
  expect(books.reasons.size).toBe(0);
  expect(readFileSync(join(dir, 'task-1', 'metadata.json'), 'utf8')).toContain('"status":"completed"');
});

test('running tasks have an origin and a start time', async () => {
  const { logs, store } = watch(await tempDir());
  const body = { status: 'running', source: 'api', assigned_agent: 'claude' };
  await logs(metadata(1, { ...body, started_at: '2026-01-02T03:04:00.000Z' }));
  expect(store.liveness.get('task-1')?.about).toEqual({
    source: 'api',
    agent: 'claude',
    startedAt: '2026-01-02T03:04:00.000Z',
  });
});
