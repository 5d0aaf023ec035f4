import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TRAIL } from '../../../src/model/sender.ts';
import type { Change, TaskChange } from '../../../src/project/change.ts';
import type { Sent } from '../../../src/store/write/batch/admission.ts';
import { Liveness } from '../../../src/store/write/liveness.ts';
import { OpenTask } from '../../../src/store/write/task/open-task.ts';
import { documentOf, linesOf, tempDir } from '../../support/log-dir.ts';
import { eventId, fact, T0 } from '../../support/records.ts';

const OUTPUT = '03-agent-output.jsonl';

function line(n: number): TaskChange {
  const timestamp = new Date(T0 + n).toISOString();
  return { kind: 'line', taskId: 'task-1', file: 'agentOutput', line: { timestamp, event_id: eventId(n) } };
}

function factChange(
  number: number,
  event: string,
  body: Record<string, unknown>,
): Extract<Change, { kind: 'fact' }> {
  const fields = { number, event: `tasktrail.task.${event}`, body: body as never };
  return { kind: 'fact', taskId: 'task-1', line: fact(fields) };
}

function sent(...changes: readonly TaskChange[]): Sent<TaskChange>[] {
  return changes.map((change) => ({ change, origin: { sender: TRAIL, isOnBehalf: false } }));
}

const RUNNING = factChange(100, 'metadata', { status: 'running', source: 'api' });
const COMPLETED = factChange(200, 'result', { success: true, status: 'completed', result: 'done' });

async function openTask(logDir: string, nowMs = 0, liveness = new Liveness()): Promise<OpenTask> {
  return OpenTask.open({ id: 'task-1', nowMs }, { logDir, liveness });
}

test('new changes are stored and counted, and the documents follow from the facts', async () => {
  const logDir = await tempDir();
  const liveness = new Liveness();
  const task = await openTask(logDir, 0, liveness);
  expect(await task.apply(sent(line(1), line(1), line(2), RUNNING), 1_000)).toBe(3);
  expect(await task.apply(sent(line(2), RUNNING), 2_000)).toBe(0);
  expect(linesOf(logDir, 'task-1', OUTPUT)).toHaveLength(2);
  expect(documentOf(logDir, 'task-1', 'metadata.json')).toMatchObject({ status: 'running', source: 'api' });
  expect(liveness.get('task-1')).toMatchObject({ status: 'running', workerSeenAtMs: 2_000 });
});

test('a task is due from its end until its files are settled', async () => {
  const logDir = await tempDir();
  const task = await openTask(logDir);
  await task.apply(sent(line(2), RUNNING), 0);
  expect(task.isDue).toBe(false);
  await task.apply(sent(line(1), COMPLETED), 1_000);
  expect(task.isDue).toBe(true);
  await task.tick(3_000);
  expect(linesOf(logDir, 'task-1', OUTPUT).map(({ event_id }) => event_id)).toEqual([eventId(1), eventId(2)]);
  expect(documentOf(logDir, 'task-1', 'metadata.json').settled).toBeUndefined();
  await task.tick(11_000);
  expect(task.isDue).toBe(false);
  expect(task.isIdle(11_000)).toBe(true);
  expect(documentOf(logDir, 'task-1', 'metadata.json').settled).toBe(true);
});

test('a task that is opened again knows its lines and repairs its files', async () => {
  const logDir = await tempDir();
  await (await openTask(logDir)).apply(sent(line(1), RUNNING), 0);
  const dir = join(logDir, 'task-1');
  appendFileSync(join(dir, OUTPUT), '{"torn');
  writeFileSync(join(dir, 'metadata.json'), 'damaged');
  writeFileSync(join(dir, '.metadata.json.1.tmp'), 'half');
  const again = await openTask(logDir);
  expect(again.badLines).toBe(1);
  expect(await again.apply(sent(line(1), line(2)), 0)).toBe(1);
  expect(linesOf(dir, OUTPUT)).toHaveLength(2);
  expect(documentOf(dir, 'metadata.json').status).toBe('running');
  expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('a directory without lines of a task is left as it is', async () => {
  const logDir = await tempDir();
  mkdirSync(join(logDir, 'task-1'));
  writeFileSync(join(logDir, 'task-1', 'notes.txt'), 'mine');
  await openTask(logDir);
  expect(readdirSync(join(logDir, 'task-1'))).toEqual(['notes.txt']);
  expect(existsSync(join(logDir, 'task-1', 'metadata.json'))).toBe(false);
});
