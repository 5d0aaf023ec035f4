import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keyValuesFromPlain, type ReceivedLog } from '../../../src/model/otlp.ts';
import { readLogs } from '../../receive/requests.ts';
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

const KEY_LINES = Array.from(
  { length: 6 },
  (_, at) => `${at}aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZaB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z`,
);
const KEY = [
  '-----BEGIN RSA PRIVATE KEY-----',
  ...KEY_LINES,
  'aB3dE5gH7jK=',
  '-----END RSA PRIVATE KEY-----',
];

function foreign(body: string, at: number): ReceivedLog {
  return log({ event: 'app.line', id: eventId(at), atMs: at, body, attributes: TASK });
}

async function storedOf(...requests: readonly (readonly ReceivedLog[])[]): Promise<readonly unknown[]> {
  const { dir, logs } = await newStore();
  for (const records of requests) await logs(...records);
  return linesOf(dir, 'task-1', '03-agent-output.jsonl').map((line) => line.content);
}

test('a key that a sender splits into records is masked line by line, also over requests', async () => {
  const records = ['before', ...KEY, 'after', KEY_LINES[0] ?? ''].map(foreign);
  const masked = ['before', ...KEY.map(() => '[redacted:private-key]'), 'after', KEY_LINES[0]];
  expect(await storedOf(records)).toEqual(masked);
  expect(await storedOf(records.slice(0, 4), records.slice(4))).toEqual(masked);
  expect(await storedOf(...records.map((record) => [record]))).toEqual(masked);
});

test('a key in OTLP JSON of an anonymous sender is masked over several requests', async () => {
  const { dir, from } = await newStore();
  for (const [at, line] of KEY.entries()) {
    const record = {
      timeUnixNano: String(1_767_326_400_000_000_000n + BigInt(at)),
      body: { stringValue: `${line}\n` },
      attributes: [{ key: 'tasktrail.task.id', value: { stringValue: 'task-1' } }],
    };
    const { batch, reasons } = readLogs(JSON.parse(JSON.stringify(record)));
    expect(reasons).toEqual([]);
    await from({ kind: 'anonymous' }, ...batch.logs);
  }
  const stored = Object.values(filesIn(dir)).join('');
  expect(stored.split('[redacted:private-key]')).toHaveLength(KEY.length + 1);
  for (const line of KEY) expect(stored).not.toContain(line);
});

test('a record of another sender or kind between the lines of a key ends nothing', async () => {
  const [first = '', ...rest] = KEY;
  const content = await storedOf(
    [foreign(first, 1)],
    [outputLog(2, 'mine')],
    rest.map((body, at) => foreign(body, at + 3)),
  );
  expect(content).toEqual(['[redacted:private-key]', 'mine', ...rest.map(() => '[redacted:private-key]')]);
});

test('a key ends at a record that is no line of it, and after 200 records', async () => {
  const [first = '', line = ''] = KEY;
  const text = 'the quick brown fox';
  expect(await storedOf([first, line, text, line].map(foreign))).toEqual([
    '[redacted:private-key]',
    '[redacted:private-key]',
    text,
    line,
  ]);
  const stored = await storedOf([first, ...Array.from({ length: 202 }, () => line)].map(foreign));
  expect(stored.slice(0, 201)).not.toContain(line);
  expect(stored.slice(201)).toEqual([line, line]);
});

test('the lines of a key whose first line its sender has masked are masked too', async () => {
  const [, line = ''] = KEY;
  const mask = '[redacted:private-key]';
  expect(await storedOf([mask, line, line, 'digest: ', line].map(foreign))).toEqual([
    mask,
    mask,
    mask,
    'digest: ',
    line,
  ]);
  const digest = `sha256 ${'0123456789abcdef'.repeat(4)}`;
  expect(await storedOf([mask, digest].map(foreign))).toEqual([mask, digest]);
});
