import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Flow } from '../../../src/model/task-reading.ts';
import type { Reader } from '../../../src/serve/reader.ts';
import { createReader } from '../../../src/store/read/reader.ts';

async function openDir(): Promise<{ dir: string; reader: Reader }> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-reader-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  // Typed as the interface of serve: the two folders do not import each other.
  return { dir, reader: createReader(dir) };
}

function put(dir: string, taskId: string, name: string, text: string | Buffer): string {
  mkdirSync(join(dir, taskId), { recursive: true });
  const path = join(dir, taskId, name);
  writeFileSync(path, text);
  return path;
}

async function drain(flow: Flow | undefined): Promise<string[]> {
  if (flow === undefined) throw new Error('the flow is missing');
  const lines: string[] = [];
  for await (const line of flow.lines()) lines.push(line);
  return lines;
}

async function readFlow(
  reader: Reader,
  taskId = 'task-1',
): Promise<{ lines: string[]; skipped: number | undefined }> {
  const flow = await reader.openFlow(taskId, 'agent-output');
  const lines = await drain(flow);
  await flow?.close();
  return { lines, skipped: flow?.skippedLines };
}

async function listIds(reader: Reader): Promise<unknown[]> {
  return (await reader.listTasks({ limit: 50 })).items.map((item) => item.task_id);
}

const FLOW = '03-agent-output.jsonl';

test('documents and flows are read from their files', async () => {
  const { dir, reader } = await openDir();
  put(dir, 'task-1', 'metadata.json', '{"task_id":"task-1"}\n');
  put(dir, 'task-1', '01-input.json', '{"message":"m"}\n');
  put(dir, 'task-1', '04-final-result.json', '{"success":true}\n');
  put(dir, 'task-1', '02-webhook-flow.jsonl', '{"stage":"received"}\n');
  put(dir, 'task-1', FLOW, '{"type":"output"}\n');
  expect(await reader.readDocument('task-1', 'metadata')).toEqual({ task_id: 'task-1' });
  expect(await reader.readDocument('task-1', 'input')).toEqual({ message: 'm' });
  expect(await reader.readDocument('task-1', 'final-result')).toEqual({ success: true });
  expect((await readFlow(reader)).lines).toEqual(['{"type":"output"}']);
  const stages = await reader.openFlow('task-1', 'webhook-flow');
  expect(await drain(stages)).toEqual(['{"stage":"received"}']);
  await stages?.close();
  expect(await reader.hasTask('task-1')).toBe(true);
});

test('missing files are undefined, also in a missing log directory', async () => {
  const { dir, reader } = await openDir();
  mkdirSync(join(dir, 'task-1'));
  writeFileSync(join(dir, 'task-2'), 'a file');
  const nowhere = createReader(join(dir, 'missing'));
  expect(await reader.readDocument('task-1', 'metadata')).toBeUndefined();
  expect(await reader.openFlow('task-1', 'agent-output')).toBeUndefined();
  for (const [from, id] of [
    [reader, 'task-2'],
    [reader, 'task-3'],
    [nowhere, 'task-1'],
  ] as const) {
    expect(await from.hasTask(id)).toBe(false);
    expect(await from.readDocument(id, 'metadata')).toBeUndefined();
    expect(await from.openFlow(id, 'agent-output')).toBeUndefined();
  }
  expect(await nowhere.listTasks({ limit: 5 })).toEqual({ items: [], nextCursor: null });
});

test.each(['..', '.', '', '/etc', '../x', 'a/b', '_journal', 'x'.repeat(129)])(
  'the id %j is refused before anything is opened',
  async (id) => {
    const { reader } = await openDir();
    const refused = { code: 'ERR_ID_INVALID' };
    await expect(reader.hasTask(id)).rejects.toMatchObject(refused);
    await expect(reader.readDocument(id, 'metadata')).rejects.toMatchObject(refused);
    await expect(reader.openFlow(id, 'agent-output')).rejects.toMatchObject(refused);
  },
);

test.each([
  ['no line', '', [], 0],
  ['one line', '{"a":1}\n', ['{"a":1}'], 0],
  ['a torn last line', '{"a":1}\n{"b":', ['{"a":1}'], 1],
  ['a last line that only lacks its newline', '{"a":1}\n{"b":2}', ['{"a":1}', '{"b":2}'], 0],
  ['an invalid line in the middle', '{"a":1}\nnonsense\n{"b":2}\n', ['{"a":1}', '{"b":2}'], 1],
  ['values that are not objects', '1\n"x"\n[{}]\nnull\ntrue\n{}\n', ['{}'], 5],
  ['blank lines', '\n{"a":1}\n\n  \n', ['{"a":1}'], 0],
  ['two records in one line', '{"a":1}{"b":2}\n', [], 1],
  ['zeros that a crash left', `{"a":1}\n${'\0'.repeat(5000)}\n{"b":2}\n`, ['{"a":1}', '{"b":2}'], 1],
  ['characters of several bytes', '{"a":"h\u00e4\u20ac\u{1f600}"}\n', ['{"a":"h\u00e4\u20ac\u{1f600}"}'], 0],
])('a file with %s', async (_what, text, lines, skipped) => {
  const { dir, reader } = await openDir();
  put(dir, 'task-1', FLOW, text);
  expect(await readFlow(reader)).toEqual({ lines, skipped });
});

test('bytes that are not UTF-8 affect at most their own line', async () => {
  const { dir, reader } = await openDir();
  put(dir, 'task-1', FLOW, Buffer.concat([Buffer.from('{"a":"\xe2', 'latin1'), Buffer.from('\n{"b":2}\n')]));
  expect(await readFlow(reader)).toEqual({ lines: ['{"b":2}'], skipped: 1 });
});

test('lines of every length are complete at every cut of the reads', async () => {
  const { dir, reader } = await openDir();
  const lengths = [
    0, 1, 262_132, 262_133, 262_134, 262_135, 262_136, 262_144, 524_288, 1_048_576, 3_000_000, 5,
  ];
  const lines = lengths.map((length) =>
    JSON.stringify({ a: '\u00e4'.repeat(length / 2) + 'x'.repeat(length % 2) }),
  );
  put(dir, 'task-1', FLOW, lines.map((line) => `${line}\n`).join(''));
  const got = await readFlow(reader);
  expect(got.skipped).toBe(0);
  expect(got.lines.map((line) => line.length)).toEqual(lines.map((line) => line.length));
  expect(got.lines.join('\n') === lines.join('\n')).toBe(true);
});

test('a line over the limit is skipped, and its neighbours are not', { tags: 'full' }, async () => {
  const { dir, reader } = await openDir();
  const tooLong = `{"a":"${'x'.repeat(17 * 1_048_576)}"}\n`;
  const long = `{"a":"${'y'.repeat(15 * 1_048_576)}"}`;
  put(dir, 'task-1', FLOW, `{"a":1}\n${tooLong}{"b":2}\n${long}\n${tooLong.slice(0, -1)}`);
  const got = await readFlow(reader);
  expect(got.skipped).toBe(2);
  expect(got.lines.map((line) => line.length)).toEqual([7, 7, long.length]);
});

test.each([
  ['small', 0],
  ['of several pieces', 40_000],
])('a %s flow ends at the size of its file when it was opened', async (_what, before) => {
  const { dir, reader } = await openDir();
  const path = put(dir, 'task-1', FLOW, `${'{"a":0}\n'.repeat(before)}{"a":1}\n{"b":`);
  const flow = await reader.openFlow('task-1', 'agent-output');
  appendFileSync(path, '2}\nbad\n{"c":3}\n');
  expect(flow?.skippedLines).toBe(1);
  const lines = await drain(flow);
  await flow?.close();
  expect([lines.length, lines.at(-1)]).toEqual([before + 1, '{"a":1}']);
  const grown = await readFlow(reader);
  expect([grown.lines.slice(before), grown.skipped]).toEqual([['{"a":1}', '{"b":2}', '{"c":3}'], 1]);
});

test('a flow keeps reading its opened file after that was replaced', async () => {
  const { dir, reader } = await openDir();
  const path = put(dir, 'task-1', FLOW, '{"a":1}\n{"b":2}\n');
  const flow = await reader.openFlow('task-1', 'agent-output');
  put(dir, 'task-1', 'next', '{"b":2}\n');
  renameSync(join(dir, 'task-1', 'next'), path);
  expect(await drain(flow)).toEqual(['{"a":1}', '{"b":2}']);
  await flow?.close();
});

test('a flow that is closed early, twice or unread leaves no descriptor open', async () => {
  const { dir, reader } = await openDir();
  put(dir, 'task-1', FLOW, '{"a":1}\n'.repeat(100_000));
  const open = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir);
      } catch {
        // ENOENT: closed since it was listed.
        return false;
      }
    }).length;
  const unread = await reader.openFlow('task-1', 'agent-output');
  const partly = await reader.openFlow('task-1', 'agent-output');
  const reading = await reader.openFlow('task-1', 'agent-output');
  expect(open()).toBe(3);
  await unread?.close();
  await unread?.close();
  for await (const _line of partly?.lines() ?? []) break;
  await partly?.close();
  let readEnded = false;
  void reading
    ?.lines()
    [Symbol.asyncIterator]()
    .next()
    .then(() => {
      readEnded = true;
    });
  await reading?.close();
  expect(readEnded).toBe(true);
  expect(open()).toBe(0);
});

test.each(['{"half":', '', '[]', '"text"', '{} {}', 'null'])(
  'the document %j counts as damaged, not as missing',
  async (text) => {
    const { dir, reader } = await openDir();
    put(dir, 'task-1', 'metadata.json', text);
    await expect(reader.readDocument('task-1', 'metadata')).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining('metadata.json of task task-1'),
    });
  },
);

test('nothing is read through a symbolic link, and a pipe or directory in place of a file does not block', async () => {
  const { dir, reader } = await openDir();
  const outside = await openDir();
  put(outside.dir, 'task-9', 'metadata.json', '{"secret":true}');
  put(outside.dir, 'task-9', FLOW, '{"secret":true}\n');
  symlinkSync(join(outside.dir, 'task-9'), join(dir, 'task-9'));
  mkdirSync(join(dir, 'task-1'));
  symlinkSync(join(outside.dir, 'task-9', 'metadata.json'), join(dir, 'task-1', 'metadata.json'));
  symlinkSync(join(outside.dir, 'task-9', FLOW), join(dir, 'task-1', FLOW));
  execFileSync('mkfifo', [join(dir, 'task-1', '01-input.json')]);
  mkdirSync(join(dir, 'task-1', '04-final-result.json'));
  expect(await reader.hasTask('task-9')).toBe(false);
  for (const id of ['task-1', 'task-9']) {
    expect(await reader.readDocument(id, 'metadata')).toBeUndefined();
    expect(await reader.openFlow(id, 'agent-output')).toBeUndefined();
  }
  expect(await reader.readDocument('task-1', 'input')).toBeUndefined();
  expect(await reader.readDocument('task-1', 'final-result')).toBeUndefined();
  expect(await listIds(reader)).toEqual([]);
});

test('the list has only tasks: no internal folder, no stray file, no directory without readable metadata', async () => {
  const { dir, reader } = await openDir();
  put(dir, 'task-1', 'metadata.json', '{"task_id":"task-1","status":"running"}');
  put(dir, 'task-2', 'metadata.json', '{"half":');
  put(dir, 'task-3', '01-input.json', '{}');
  put(dir, '_workflow', 'metadata.json', '{"task_id":"x"}');
  put(dir, '.hidden', 'metadata.json', '{"task_id":"x"}');
  put(dir, 'not a task', 'metadata.json', '{"task_id":"x"}');
  writeFileSync(join(dir, 'stray.json'), '{}');
  mkdirSync(join(dir, 'task-4', 'metadata.json'), { recursive: true });
  const page = await reader.listTasks({ limit: 50 });
  expect(page).toEqual({ items: [{ task_id: 'task-1', status: 'running' }], nextCursor: null });
});

test('a task is listed under the name of its directory', async () => {
  const { dir, reader } = await openDir();
  put(dir, 'task-copy', 'metadata.json', '{"task_id":"task-1"}');
  expect(await listIds(reader)).toEqual(['task-copy']);
});

test('the list reflects documents that were replaced, repaired, removed and added', async () => {
  const { dir, reader } = await openDir();
  const list = (status: 'running' | 'completed'): Promise<unknown[]> =>
    reader.listTasks({ limit: 50, status }).then((page) => page.items.map((item) => item.task_id));
  const replace = (text: string): void => {
    const path = put(dir, 'task-1', 'next', text);
    renameSync(path, join(dir, 'task-1', 'metadata.json'));
  };
  mkdirSync(join(dir, 'task-1'));
  replace('{"status":"running"}');
  expect(await list('running')).toEqual(['task-1']);
  replace('{"status":"completed"}');
  expect(await list('running')).toEqual([]);
  expect(await list('completed')).toEqual(['task-1']);
  replace('{"status":');
  expect(await list('completed')).toEqual([]);
  replace('{"status":"completed"}');
  put(dir, 'task-2', 'metadata.json', '{"status":"completed"}');
  expect(await list('completed')).toEqual(['task-2', 'task-1']);
  rmSync(join(dir, 'task-1'), { recursive: true });
  expect(await list('completed')).toEqual(['task-2']);
});

test('metadata that did not change is not read again for the filters', async () => {
  const { dir, reader } = await openDir();
  const path = put(dir, 'task-1', 'metadata.json', '{"status":"running"}');
  const at = new Date('2026-01-01T00:00:00Z');
  utimesSync(path, at, at);
  expect((await reader.listTasks({ limit: 5, status: 'running' })).items).toHaveLength(1);
  const { ino } = statSync(path);
  // Same inode, size and mtime with other content: only a cached summary still has the status running.
  writeFileSync(path, '{"status":"stopped"}');
  utimesSync(path, at, at);
  expect(statSync(path).ino).toBe(ino);
  expect((await reader.listTasks({ limit: 5, status: 'running' })).items).toEqual([
    { status: 'stopped', task_id: 'task-1' },
  ]);
});

test('times in another format are sorted by their instant', async () => {
  const { dir, reader } = await openDir();
  put(dir, 'task-a', 'metadata.json', '{"created_at":"2026-01-01T10:00:00Z"}');
  put(dir, 'task-b', 'metadata.json', '{"created_at":"2026-01-01T10:00:00.500Z"}');
  put(dir, 'task-c', 'metadata.json', '{"created_at":"2026-01-01T12:30:00+02:00"}');
  put(dir, 'task-d', 'metadata.json', '{"created_at":"soon"}');
  expect(await listIds(reader)).toEqual(['task-c', 'task-b', 'task-a', 'task-d']);
});
