import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { hasTaskDir, openTaskLines, readTaskDocument, storedText } from '../../src/store/task-file.ts';
import { tempDir } from '../support/log-dir.ts';

const OUTPUT = '03-agent-output.jsonl';

async function taskWith(files: Record<string, string | Buffer>): Promise<string> {
  const logDir = await tempDir();
  mkdirSync(join(logDir, 'task-1'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(logDir, 'task-1', name), content);
  return logDir;
}

async function textsIn(logDir: string, taskId = 'task-1'): Promise<(string | undefined)[] | undefined> {
  const opened = await openTaskLines(logDir, taskId, 'agentOutput');
  if (opened === undefined) return undefined;
  const texts: (string | undefined)[] = [];
  for await (const batch of opened.lines()) texts.push(...batch.map(storedText));
  await opened.close();
  return texts;
}

test('a line file is read plain or gzipped, and the plain one is used when both exist', async () => {
  const gzipped = gzipSync('{"n":1}\n');
  expect(await textsIn(await taskWith({ [OUTPUT]: '{"n":2}\n' }))).toEqual(['{"n":2}']);
  expect(await textsIn(await taskWith({ [`${OUTPUT}.gz`]: gzipped }))).toEqual(['{"n":1}']);
  const both = await taskWith({ [OUTPUT]: '{"n":2}\n', [`${OUTPUT}.gz`]: gzipped });
  expect(await textsIn(both)).toEqual(['{"n":2}']);
});

test('lines that are torn, damaged or no object have no text', async () => {
  const logDir = await taskWith({ [OUTPUT]: '{"n":1}\nnonsense\n[1]\n{"n":' });
  expect(await textsIn(logDir)).toEqual(['{"n":1}', undefined, undefined, undefined]);
});

test('a missing task, a missing file and a symbolic link to a task are undefined', async () => {
  const logDir = await taskWith({});
  symlinkSync('task-1', join(logDir, 'task-2'));
  writeFileSync(join(logDir, 'task-1', 'metadata.json'), '{"a":1}');
  expect(await hasTaskDir(logDir, 'task-1')).toBe(true);
  for (const taskId of ['task-2', 'task-3']) {
    expect(await hasTaskDir(logDir, taskId)).toBe(false);
    expect(await textsIn(logDir, taskId)).toBeUndefined();
    expect(await readTaskDocument(logDir, taskId, 'metadata')).toBeUndefined();
  }
  expect(await textsIn(logDir)).toBeUndefined();
  expect(await readTaskDocument(logDir, 'task-1', 'input')).toBeUndefined();
  expect(await readTaskDocument(logDir, 'task-1', 'metadata')).toEqual({ a: 1 });
});

test('a document that is not one JSON object is an error that names file and task', async () => {
  for (const text of ['{"a":', '[1]', 'null', '']) {
    const logDir = await taskWith({ 'metadata.json': text });
    await expect(readTaskDocument(logDir, 'task-1', 'metadata')).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: 'metadata.json of task task-1 is damaged: not one JSON object',
    });
  }
});
