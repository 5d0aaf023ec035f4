import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keyValuesFromPlain } from '../../../src/model/otlp.ts';
import { documentOf, filesIn, linesOf, newStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

const TASK = { 'tasktrail.task.id': 'task-1' };
const LETTERS = 'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZaB3d';
/** Not a token, but in JSON text the letter of the escaped line break would complete one. */
const LURE = `\npm_${LETTERS}`;

test('text whose JSON form resembles a token is stored in valid files, and the task ends', async () => {
  const { dir, logs, sendSpans } = await newStore();
  await logs(
    log({ event: 'tasktrail.task.input', id: eventId(1), body: { message: LURE, [LURE]: LURE } }),
    { ...outputLog(2), record: { ...outputLog(2).record, body: LURE } },
    log({
      event: 'tasktrail.task.result',
      id: eventId(3),
      body: { success: true, status: 'completed', result: LURE, metrics: {} },
      attributes: { ...TASK, 'tasktrail.task.attempt': 1 },
    }),
    log({
      event: 'tasktrail.workflow_start',
      id: eventId(4),
      body: { note: LURE },
      attributes: { 'tasktrail.workflow.id': 'w-20260102T030405Z' },
    }),
  );
  await sendSpans(span({ id: spanId(1), attributes: { ...TASK, note: LURE } }));
  expect(documentOf(dir, 'task-1', '01-input.json').message).toBe(LURE);
  expect(linesOf(dir, 'task-1', '03-agent-output.jsonl').map((line) => line.content)).toEqual([LURE]);
  expect(documentOf(dir, 'task-1', '04-final-result.json').result).toBe(LURE);
  expect(documentOf(dir, 'task-1', 'metadata.json').status).toBe('completed');
  for (const text of Object.values(filesIn(dir))) {
    for (const line of text.trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  }
  expect(readFileSync(join(dir, 'task-1', 'trace.jsonl'), 'utf8')).toContain(
    JSON.stringify(keyValuesFromPlain({ note: LURE })).slice(1, -1),
  );
});

test('a token across the cut of a foreign content is not stored in part', async () => {
  const { dir, logs } = await newStore();
  const body = `${'q'.repeat(1024 * 1024 - 30)}ghp_${LETTERS} and more`;
  await logs(log({ event: 'codex.x', body, attributes: TASK }));
  await logs({ ...outputLog(2), record: { ...outputLog(2).record, body } });
  const text = readFileSync(join(dir, 'task-1', '03-agent-output.jsonl'), 'utf8');
  expect(text).not.toContain('ghp_');
  expect(text.split('[redacted:github-token]')).toHaveLength(3);
});
