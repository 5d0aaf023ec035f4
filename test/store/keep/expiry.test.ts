import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { endOfTask, endOfWorkflow, filesByWorkflow } from '../../../src/store/keep/expiry.ts';
import { tempDir } from '../../support/log-dir.ts';
import { documentOf, fact, foldOf, wholeRun, writeWorkflow } from '../../support/workflow-files.ts';

const END = '2026-01-02T03:04:05.000Z';

async function taskWith(metadata: unknown): Promise<string> {
  const logDir = await tempDir();
  mkdirSync(join(logDir, 'task-1'));
  writeFileSync(join(logDir, 'task-1', 'metadata.json'), JSON.stringify(metadata));
  return logDir;
}

test.each(['completed', 'failed', 'cancelled'])(
  'a %s task ends when the holder stored its end',
  async (status) => {
    const ended = { endedAt: END, isSettled: false };
    const other = '2001-01-01T00:00:00.000Z';
    const task = { status, completed_at: other, end_received_at: END };
    expect(await endOfTask(await taskWith(task), 'task-1')).toEqual(ended);
    const settled = { ...task, end_received_at: '2026-01-02T04:04:05+01:00', settled: true };
    expect(await endOfTask(await taskWith(settled), 'task-1')).toEqual({ endedAt: END, isSettled: true });
  },
);

test('a task that runs or does not exist has no end', async () => {
  expect(await endOfTask(await taskWith({ status: 'running' }), 'task-1')).toBeUndefined();
  expect(await endOfTask(await tempDir(), 'task-1')).toBeUndefined();
});

test.each([undefined, null, 'soon', {}])(
  'without a time of the holder (%j) its files have it',
  async (time) => {
    const logDir = await taskWith({ status: 'completed', completed_at: time, end_received_at: time });
    const then = new Date(END);
    utimesSync(join(logDir, 'task-1', 'metadata.json'), then, then);
    expect(await endOfTask(logDir, 'task-1')).toEqual({ endedAt: END, isSettled: false });
  },
);

const ID = 'w-1';
const FACTS = wholeRun(ID);
const ENDED_AT = FACTS.at(-1)?.timestamp ?? '';
const LATER = Date.parse(ENDED_AT) + 60_000;

test('a workflow ends with its document when that has all events and is old enough', async () => {
  const month = writeWorkflow(await tempDir(), ID, { facts: FACTS, document: documentOf(ID, FACTS) });
  expect(await endOfWorkflow({ month, id: ID }, LATER)).toBe(ENDED_AT);
  expect(await endOfWorkflow({ month, id: ID }, Date.parse(ENDED_AT))).toBeUndefined();
});

test('a workflow with a newer event or a running attempt does not end, with or without it in the document', async () => {
  const late = fact(ID, 90, { event_type: 'decision_point' });
  const restart = fact(ID, 30, { event_type: 'workflow_start', attempt: 2 });
  for (const facts of [
    [...FACTS, late],
    [...FACTS, restart],
  ]) {
    const document = documentOf(ID, FACTS);
    for (const events of [document.events, foldOf(ID, facts).envelopes]) {
      const month = writeWorkflow(await tempDir(), ID, { facts, document: { ...document, events } });
      expect(await endOfWorkflow({ month, id: ID }, LATER)).toBeUndefined();
    }
  }
});

test('a workflow does not end before its document has all events', async () => {
  const facts = [...FACTS, fact(ID, 59, { event_type: 'decision_point' })];
  const month = writeWorkflow(await tempDir(), ID, { facts, document: documentOf(ID, FACTS) });
  expect(await endOfWorkflow({ month, id: ID }, LATER)).toBeUndefined();
});

test('a damaged document is an error that names the workflow', async () => {
  const month = writeWorkflow(await tempDir(), ID, { facts: FACTS });
  writeFileSync(join(month, `${ID}.json`), '{');
  await expect(endOfWorkflow({ month, id: ID }, LATER)).rejects.toThrow('the document of workflow w-1');
});

test('files are grouped by workflow, and other names are left out', () => {
  const names = [
    'a.facts',
    'a.jsonl',
    'a.trace.jsonl',
    'a.json',
    'a.uploaded',
    'b.json',
    '.a.json.1.tmp',
    'x',
  ];
  expect([...filesByWorkflow(names)]).toEqual([
    ['a', ['a.facts', 'a.jsonl', 'a.trace.jsonl', 'a.json', 'a.uploaded']],
    ['b', ['b.json']],
  ]);
});
