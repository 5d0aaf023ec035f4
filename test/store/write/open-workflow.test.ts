import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { OtlpSpan, ReceivedLog } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { traceLine } from '../../../src/project/span.ts';
import { documentOf, filesIn, linesOf, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, span, spanId, T0 } from '../../support/records.ts';

const DAY_MS = 86_400_000;
const ID = 'workflow-199-20260102T030405Z-ab12';
const MONTH = ['_workflow', '2026', '01'];

/** An event as `tasktrail emit` sends it. */
function event(number: number, type: string, body: JsonObject = {}): ReceivedLog {
  const attributes = { 'tasktrail.workflow.id': ID, 'tasktrail.span.derive': true };
  return log({
    event: `tasktrail.${type}`,
    id: eventId(number),
    atMs: number,
    body,
    attributes,
  });
}

const RUN: readonly ReceivedLog[] = [
  event(0, 'workflow_start'),
  event(1, 'phase_start', { phase: 'build', steps: ['test'] }),
  event(2, 'step_start', { phase: 'build', step: { name: 'test' } }),
  event(3, 'step_complete', { phase: 'build', step: { name: 'test', status: 'success' } }),
  event(4, 'phase_complete', { phase: 'build', status: 'success' }),
  event(5, 'workflow_complete', { status: 'success' }),
];

function liveIds(dir: string, id = ID): unknown[] {
  return linesOf(dir, ...MONTH, `${id}.jsonl`).map((line) => line.event_id);
}

function feedIds(dir: string): unknown[] {
  const names = readdirSync(join(dir, '_workflow', '_feed')).sort();
  return names.flatMap((name) => linesOf(dir, '_workflow', '_feed', name)).map((line) => line.event_id);
}

function document(dir: string): JsonObject {
  return documentOf(dir, ...MONTH, `${ID}.json`);
}

const idsOf = (logs: readonly ReceivedLog[]): unknown[] =>
  logs.map(({ record }) => record.attributes['tasktrail.event.id']);

/** The built spans, as the holder receives them. */
async function returnSpans(store: TestStore, spans: readonly OtlpSpan[] = store.spans): Promise<void> {
  const source = { resource: { attributes: [] }, scope: { name: 'tasktrail' } };
  await store.sendSpans(...spans.map((one) => ({ ...source, span: one })));
}

test('each event is stored at once, in the feed before the file, and only once', async () => {
  const { dir, logs } = await newStore();
  for (const one of RUN) {
    await logs(one);
    await logs(one);
  }
  expect(liveIds(dir)).toEqual(idsOf(RUN));
  expect(feedIds(dir)).toEqual(idsOf(RUN));
  expect(linesOf(dir, ...MONTH, `${ID}.jsonl`)[2]).toEqual({
    event_type: 'step_start',
    workflow_id: ID,
    timestamp: new Date(T0 + 2).toISOString(),
    project: null,
    environment: null,
    payload: { phase: 'build', step: { name: 'test' } },
    event_id: eventId(2),
    trace_id: null,
    attempt: 1,
    schema_version: 1,
  });
});

test('the document is written when the workflow ends and follows from the events', async () => {
  const { dir, logs } = await newStore();
  await logs(...RUN.slice(0, 5));
  expect(existsSync(join(dir, ...MONTH, `${ID}.json`))).toBe(false);
  await logs(...RUN.slice(5));
  expect(document(dir)).toMatchObject({
    event_type: 'workflow_complete',
    workflow_id: ID,
    payload: { status: 'success' },
    measured: { duration_ms: 5, phases: 1, steps: 1, artifacts: 0, retries: 0 },
    completeness: { no_end: false, missing_step: false },
    revision: 1,
  });
  expect(document(dir).events).toEqual(linesOf(dir, ...MONTH, `${ID}.jsonl`));
});

test('late events lead to one new revision and a sorted file after a quiet time', async () => {
  const { dir, logs, pass } = await newStore();
  const [start, ...rest] = RUN;
  await logs(...rest);
  await logs(...(start === undefined ? [] : [start]), event(3_000, 'error', { message: 'late' }));
  expect(document(dir).revision).toBe(1);
  expect(liveIds(dir).at(-2)).toBe(eventId(0));
  await pass(2_000);
  expect(document(dir).revision).toBe(2);
  expect(liveIds(dir)).toEqual([...idsOf(RUN), eventId(3_000)]);
  await pass(60_000);
  expect(document(dir).revision).toBe(2);
});

test('a repeat is not stored as an event until later events show that it is none', async () => {
  const { dir, logs, pass } = await newStore();
  const step = { phase: 'build', step: { name: 'test' } };
  const first = event(10, 'step_start', step);
  const end = event(11, 'step_complete', { ...step, step: { name: 'test', status: 'failure' } });
  const second = event(12, 'step_start', step);
  // The second start arrives first; only the end in between makes it a separate event.
  await logs(second);
  await logs(first);
  expect(liveIds(dir)).toEqual([eventId(12)]);
  await logs(end);
  expect(new Set(liveIds(dir))).toEqual(new Set([eventId(10), eventId(11), eventId(12)]));
  expect(feedIds(dir)).toEqual(liveIds(dir));
  await logs(event(20, 'workflow_complete', { status: 'success' }));
  await pass(2_000);
  const lines = linesOf(dir, ...MONTH, `${ID}.jsonl`);
  expect(lines.map((line) => [line.event_type, line.attempt])).toEqual([
    ['step_start', 1],
    ['step_complete', 1],
    ['step_start', 2],
    ['workflow_complete', 1],
  ]);
  expect(feedIds(dir)).toHaveLength(4);
});

test('a repeat with another payload changes only the flag in the document', async () => {
  const { dir, logs, pass } = await newStore();
  await logs(...RUN, event(6, 'workflow_complete', { status: 'failure' }));
  await pass(2_000);
  expect(document(dir)).toMatchObject({ payload: { status: 'success' }, completeness: { disagrees: true } });
});

test('a workflow that is resumed after its end gets a document of the newer attempt', async () => {
  const { dir, logs } = await newStore();
  await logs(...RUN, event(6, 'workflow_resumed'));
  expect(document(dir)).toMatchObject({ attempt: 1, revision: 1 });
  await logs(event(7, 'workflow_complete', { status: 'failure' }));
  expect(document(dir)).toMatchObject({ attempt: 2, revision: 2, payload: { status: 'failure' } });
});

test('missing spans of events are built once, also after a restart', async () => {
  const store = await newStore();
  const { dir, logs, pass, spans } = store;
  await logs(...RUN.slice(0, 4));
  await pass(1_000);
  expect(spans.map(({ name }) => name)).toEqual(['step test']);
  await logs(...RUN.slice(4));
  await pass(1_000);
  await pass(12_000);
  expect(spans.map(({ name }) => name).sort()).toEqual(['phase build', 'step test', 'workflow unnamed']);
  await returnSpans(store);
  expect(linesOf(dir, ...MONTH, `${ID}.trace.jsonl`)).toHaveLength(3);
  const again = openStore(dir);
  await again.logs(event(9_000, 'error', { message: 'late' }));
  await again.pass(30_000);
  expect(again.spans).toEqual([]);
});

test('an announced span that was lost is closed ten seconds after the end', async () => {
  const { logs, pass, spans } = await newStore();
  const attributes = {
    'tasktrail.workflow.id': ID,
    'tasktrail.span.name': 'workflow x',
    'tasktrail.span.kind': 1,
  };
  await logs(
    log({ event: 'tasktrail.workflow_start', id: eventId(0), body: {}, attributes, spanId: spanId(1) }),
    event(5, 'workflow_complete', { status: 'success' }),
  );
  await pass(9_000);
  expect(spans).toEqual([]);
  await pass(2_000);
  expect(spans).toMatchObject([{ spanId: spanId(1), name: 'workflow x', status: { code: 2 } }]);
});

test('a workflow span that exists in the trace of its task is not built', async () => {
  const { dir, logs, pass, spans } = await newStore();
  const inTask = { 'tasktrail.task.id': 'task-1' };
  await logs(...RUN.slice(0, 4).map((one) => withAttributes(one, inTask)));
  await pass(1_000);
  const [made] = spans;
  if (made === undefined) throw new Error('no span was made');
  const again = openStore(dir);
  const received = { resource: { attributes: [] }, scope: { name: 'tasktrail' }, span: made };
  expect(traceLine(received)).toContain('task-1');
  await again.sendSpans(received);
  await again.logs(withAttributes(event(7, 'error', { message: 'x' }), inTask));
  await again.pass(1_000);
  expect(again.spans).toEqual([]);
  expect(linesOf(dir, 'task-1', 'trace.jsonl')).toHaveLength(1);
  expect(documentOf(dir, 'task-1', 'metadata.json').workflow_ids).toEqual([ID]);
});

test('differences that a crash left between the files are repaired, without repeated lines', async () => {
  const { dir, logs } = await newStore();
  await logs(...RUN);
  const path = (name: string): string => join(dir, ...MONTH, `${ID}${name}`);
  const before = filesIn(dir);
  const feed = join(dir, '_workflow', '_feed', '2026-01-02.jsonl');
  const lastLine = readFileSync(feed, 'utf8').trimEnd().lastIndexOf('\n') + 1;
  const damages: readonly (() => void)[] = [
    () => rmSync(path('.json')),
    // Killed after the feed, before the workflow's own file.
    () =>
      writeFileSync(path('.jsonl'), readFileSync(path('.jsonl'), 'utf8').split('\n').slice(0, 3).join('\n')),
    () => rmSync(path('.jsonl')),
    // Killed after the facts, before the feed.
    () => {
      truncateSync(feed, lastLine);
      truncateSync(path('.jsonl'), readFileSync(path('.jsonl'), 'utf8').trimEnd().lastIndexOf('\n') + 1);
    },
    // Killed in the middle of each.
    () => truncateSync(path('.jsonl'), readFileSync(path('.jsonl')).length - 10),
    () => {
      truncateSync(feed, readFileSync(feed).length - 10);
      truncateSync(path('.jsonl'), readFileSync(path('.jsonl'), 'utf8').trimEnd().lastIndexOf('\n') + 1);
    },
  ];
  for (const damage of damages) {
    damage();
    rmSync(path('.json'), { force: true });
    await openStore(dir).store.recover();
    expect(filesIn(dir)).toEqual(before);
  }
});

test('spans that one holder did not build are built by the next one', async () => {
  const { dir, logs } = await newStore();
  await logs(...RUN);
  const again = openStore(dir);
  await again.store.recover();
  await again.pass(1_000);
  expect(again.spans).toHaveLength(3);
});

test('a settled workflow is not opened by recovery', async () => {
  const { dir, logs, pass } = await newStore();
  await logs(...RUN);
  await pass(12_000);
  const facts = join(dir, ...MONTH, `${ID}.facts`);
  rmSync(facts.replace('.facts', '.jsonl'));
  await openStore(dir).store.recover();
  expect(existsSync(facts.replace('.facts', '.jsonl'))).toBe(false);
});

test('ids that differ only in case are two workflows', async () => {
  const { dir, logs } = await newStore();
  const named = (id: string, number: number): ReceivedLog =>
    withAttributes(event(number, 'workflow_start'), { 'tasktrail.workflow.id': id });
  await logs(named('Review-20260102T030405Z', 1), named('review-20260102T030405Z', 2));
  expect(liveIds(dir, 'Review-20260102T030405Z')).toEqual([eventId(1)]);
  expect(liveIds(dir, 'review-20260102T030405Z')).toEqual([eventId(2)]);
});

test('a file of another workflow, as on a case-insensitive file system, is refused', async () => {
  const { dir, logs } = await newStore();
  await logs(...RUN);
  const facts = join(dir, ...MONTH, `${ID}.facts`);
  writeFileSync(facts, readFileSync(facts, 'utf8').replaceAll(ID, ID.toUpperCase()));
  const again = openStore(dir);
  const outcome = await again.logs(event(9, 'error'));
  expect(outcome).toMatchObject({ rejected: 1, reasons: [expect.stringContaining('belongs to workflow')] });
});

test('a clock that jumps back loses no event and is reported in the document', async () => {
  const { dir, logs } = await newStore();
  const at = (ms: number, one: ReceivedLog): ReceivedLog => ({
    ...one,
    record: { ...one.record, timeUnixNano: `${T0 + ms}000000` },
  });
  await logs(...RUN.map((one, index) => at(index < 2 ? 60_000 + index : index, one)));
  expect(liveIds(dir)).toHaveLength(RUN.length);
  expect(document(dir).completeness).toMatchObject({ time_reversed: true });
  expect(document(dir).events).toHaveLength(RUN.length);
});

test('a payload of five megabytes is stored unchanged', async () => {
  const { dir, logs } = await newStore();
  const message = 'x'.repeat(5 * 1_048_576);
  await logs(...RUN, event(9, 'error', { message }));
  expect(linesOf(dir, ...MONTH, `${ID}.jsonl`).at(-1)).toMatchObject({ payload: { message } });
});

test('events of a workflow with a stamp in its id are stored in that month', async () => {
  const { dir, logs } = await newStore();
  const id = 'workflow-199-20251202T150000Z-k3x9';
  await logs(withAttributes(event(1, 'workflow_start'), { 'tasktrail.workflow.id': id }));
  expect(linesOf(dir, '_workflow', '2025', '12', `${id}.jsonl`)).toHaveLength(1);
});

test('events of a workflow without a stamp stay in the month of the first event, also after a restart', async () => {
  const { dir, logs } = await newStore();
  const named = (id: string, number: number, days: number): ReceivedLog => {
    const one = withAttributes(event(number, 'error', { number }), { 'tasktrail.workflow.id': id });
    return { ...one, record: { ...one.record, timeUnixNano: `${T0 + days * DAY_MS}000000` } };
  };
  await logs(named('review', 1, 0), named('review', 2, 40));
  const again = openStore(dir);
  await again.logs(named('review', 3, 70), named('other', 4, 70));
  expect(linesOf(dir, '_workflow', '2026', '01', 'review.jsonl')).toHaveLength(3);
  expect(linesOf(dir, '_workflow', '2026', '03', 'other.jsonl')).toHaveLength(1);
});

test('spans of a workflow outside any task are stored beside its events, in any order of arrival', async () => {
  const { dir, logs, sendSpans } = await newStore();
  const spanOf = (id: string, number: number) =>
    span({ id: spanId(number), attributes: { 'tasktrail.workflow.id': id } });
  await sendSpans(spanOf('first-span', 1), spanOf('first-span', 1));
  await logs(withAttributes(event(1, 'error'), { 'tasktrail.workflow.id': 'first-span' }));
  const again = openStore(dir);
  await again.sendSpans(spanOf('first-span', 1), spanOf('first-span', 3));
  expect(linesOf(dir, ...MONTH, 'first-span.trace.jsonl')).toHaveLength(2);
  expect(linesOf(dir, ...MONTH, 'first-span.jsonl')).toHaveLength(1);
});

function withAttributes(one: ReceivedLog, more: Record<string, string>): ReceivedLog {
  return { ...one, record: { ...one.record, attributes: { ...one.record.attributes, ...more } } };
}

test('a record of a removed task or workflow is rejected as expired, the others are stored', async () => {
  const { dir, store } = await newStore((kind, id) => kind === 'workflow' && id === ID);
  const other = withAttributes(event(2, 'workflow_start'), { 'tasktrail.workflow.id': `${ID}-2` });
  const outcome = await store.ingest({ logs: [event(1, 'workflow_start'), other], spans: [] }, TRAIL);
  expect(outcome).toEqual({ rejected: 1, reasons: [`expired: workflow ${ID} was removed for its age`] });
  expect(existsSync(join(dir, ...MONTH, `${ID}.jsonl`))).toBe(false);
  expect(liveIds(dir, `${ID}-2`)).toHaveLength(1);
});

test.for<[string, (path: string) => void]>([
  ['cut', (path) => truncateSync(path, statSync(path).size - 400)],
  ['empty', (path) => writeFileSync(path, '')],
  ['missing', (path) => rmSync(path)],
])('facts %s: a finished workflow stays as its document says', async ([, lose]) => {
  const store = await newStore();
  await store.logs(...RUN);
  await store.pass(DAY_MS);
  await returnSpans(store);
  await store.pass(DAY_MS);
  const facts = join(store.dir, ...MONTH, `${ID}.facts`);
  const before = document(store.dir);
  const events = liveIds(store.dir);
  lose(facts);
  const again = openStore(store.dir);
  await again.store.recover();
  await again.logs(...RUN);
  await again.pass(DAY_MS);
  await again.pass(DAY_MS);
  expect(document(store.dir)).toEqual(before);
  expect(liveIds(store.dir)).toEqual(events);
  expect(again.spans).toEqual([]);
  expect(linesOf(facts)).toHaveLength(RUN.length);
});
