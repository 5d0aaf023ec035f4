import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verifyOwnFiles } from '../../../src/cli/verify/own-files.ts';
import { entryText } from '../../../src/queue/job-entry.ts';
import { type Finding, isNote } from '../../../src/store/keep/verify/finding.ts';
import { tempDir } from '../../support/log-dir.ts';

const JOB = entryText({
  job: {
    taskId: 'task-1',
    message: 'review it',
    sourceMetadata: {},
    command: null,
    agent: null,
    attempt: 1,
    stops: 0,
    carrier: {},
  },
  isStarted: false,
  queue: { name: 'tasks', system: 'in_process', home: undefined },
  createdAt: '2026-01-02T03:04:05.000Z',
  updatedAt: '2026-01-02T03:04:05.000Z',
});
const ID = '01J00000000000000000000000';
const RECORD = 'L{"timeUnixNano":"1"}\n';

async function foundIn(files: Readonly<Record<string, string>>): Promise<Finding[]> {
  const dir = await tempDir();
  for (const folder of ['_queue', '_journal', '_notify']) mkdirSync(join(dir, folder));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const found: Finding[] = [];
  await verifyOwnFiles(dir, (one) => found.push(one));
  return found;
}

const segment = (state: string, id = ID): string => `_journal/${id}~host~1~0-0.${state}`;

test('whole jobs and segments have no findings; neither do files that are no jobs and no segments', async () => {
  const found = await foundIn({
    '_queue/task-1.json': JOB,
    '_queue/_opened.json': '{}',
    '_queue/.task-2.json.1.tmp': '{"half',
    '_queue/notes.txt': 'a note',
    [segment('closed')]: `H{"version":1}\nC{"resource":{}}\nS{"name":"work"}\n${RECORD}`,
    '_journal/notes.txt': 'a note',
    [`_journal/${ID}.cursors`]: '',
  });
  expect(found).toEqual([]);
});

test.for([
  ['empty', ''],
  ['cut', JOB.slice(0, 40)],
  ['of NUL bytes', '\0'.repeat(JOB.length)],
  ['not an object', '[]'],
  ['without a message', JOB.replace('"message"', '"text"')],
  ['with an attempt that is no number', JOB.replace('"attempt":1', '"attempt":"1"')],
  ['of another task', JOB.replace('"task-1"', '"task-2"')],
])('a job that is %s is damaged', async ([, text = '']) => {
  const found = await foundIn({ '_queue/task-1.json': text });
  expect(found).toMatchObject([
    { kind: 'queue', id: 'task-1', file: '_queue/task-1.json', problem: 'damaged_document' },
  ]);
});

test('a job of a newer version is noted and not judged', async () => {
  const found = await foundIn({
    '_queue/task-1.json': JOB.replace('"schema_version":1', '"schema_version":99'),
  });
  expect(found).toMatchObject([{ kind: 'queue', problem: 'newer_version' }]);
  expect(found.every(isNote)).toBe(true);
});

test.for([
  ['a line that is no record', `${RECORD}garbage\n${RECORD}`, 2, 'damaged_line'],
  ['a record that is not JSON', `${RECORD}L{"half\n`, 2, 'damaged_line'],
  ['an empty line', `${RECORD}\n`, 2, 'damaged_line'],
  ['NUL bytes in a record', `L{"a":"${'\0'.repeat(8)}\n`, 1, 'damaged_line'],
  ['half a line at its end', `${RECORD}L{"ha`, 2, 'torn_tail'],
  ['NUL bytes at its end', `${RECORD}${'\0'.repeat(100)}`, 2, 'torn_tail'],
] as const)('a closed segment with %s', async ([, text, line, problem]) => {
  const found = await foundIn({ [segment('closed')]: text });
  expect(found).toMatchObject([{ kind: 'journal', id: ID, file: segment('closed'), line, problem }]);
});

test('the last line of an open segment may be half written, the others may not', async () => {
  expect(await foundIn({ [segment('open')]: `${RECORD}L{"ha` })).toEqual([]);
  expect(await foundIn({ [segment('open')]: `garbage\n${RECORD}L{"ha` })).toMatchObject([
    { line: 1, problem: 'damaged_line' },
  ]);
});

test('each damaged file is found, not only the first', async () => {
  const found = await foundIn({
    '_queue/task-1.json': '',
    '_queue/task-2.json': '',
    [segment('closed')]: 'x\n',
    [segment('closed', '01J00000000000000000000001')]: 'x\n',
  });
  expect(found.map(({ kind }) => kind)).toEqual(['queue', 'queue', 'journal', 'journal']);
});

test.skipIf(process.getuid?.() === 0)('a job and a segment that may not be read are named', async () => {
  const dir = await tempDir();
  const names = ['_queue/task-1.json', segment('closed')];
  for (const name of names) {
    mkdirSync(join(dir, name, '..'));
    writeFileSync(join(dir, name), JOB);
    chmodSync(join(dir, name), 0);
  }
  const found: Finding[] = [];
  await verifyOwnFiles(dir, (one) => found.push(one));
  expect(found).toMatchObject(names.map((file) => ({ file, problem: 'unreadable' })));
});

test('a directory in place of a job and of a segment is named', async () => {
  const dir = await tempDir();
  const names = ['_queue/task-1.json', segment('closed')];
  for (const name of names) mkdirSync(join(dir, name), { recursive: true });
  const found: Finding[] = [];
  await verifyOwnFiles(dir, (one) => found.push(one));
  expect(found).toMatchObject(names.map((file) => ({ file, problem: 'unreadable' })));
});

test('damaged and torn lines of notifications are found', async () => {
  const line = `${JSON.stringify({
    ...{ event: 'receiver', at: '2026-01-02T03:04:05.000Z', begun_at: '2026-01-02T03:04:05.000Z' },
    ...{ delivered: 0, dropped: {}, gone_at: null, gone_url: null },
  })}\n`;
  const files = { '_notify/good.jsonl': line, '_notify/bad.jsonl': `${line}{"event":"x"}\n{"eve` };
  const found = await foundIn(files);
  expect(found.map(({ kind, id, file, line: at, problem }) => [kind, id, file, at, problem])).toEqual([
    ['notify', 'bad', '_notify/bad.jsonl', 2, 'damaged_line'],
    ['notify', 'bad', '_notify/bad.jsonl', 3, 'torn_tail'],
  ]);
});
