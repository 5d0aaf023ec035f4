import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { leftRecordsFolder } from '../../../src/agent/left-records.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { journalDir, writeLoneRecord } from '../../../src/journal/lone-record.ts';
import { recordTask } from '../../../src/record/task/attempt.ts';
import { startTasktrail } from '../../../src/trail/trail.ts';
import { linesOf, tempDir } from '../../support/log-dir.ts';
import { DEADLINE } from '../../support/until.ts';

/** Writes a line of output as a command in the agent of a task does, and puts it where the end of a run leaves it. */
async function leave(logDir: string, taskId: string, content: string): Promise<string> {
  const own = await tempDir();
  const source = { resource: { attributes: [] }, scope: { name: 'tasktrail' } };
  const attributes = [{ key: 'tasktrail.task.id', value: { stringValue: taskId } }];
  const record = {
    timeUnixNano: `${Date.now()}000000`,
    eventName: 'tasktrail.agent.output',
    body: { stringValue: content },
    attributes,
  };
  writeLoneRecord({ logDir: own, destinations: ['holder'], source }, record);
  const folder = leftRecordsFolder(join(logDir, '_agent', taskId, 'run'));
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(journalDir(own)))
    renameSync(join(journalDir(own), name), join(folder, name));
  return folder;
}

test('what an agent has left is stored by the next start, although its task has ended before', async () => {
  const logDir = await tempDir();
  const config = loadConfig({ env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0' }, cwd: '/' });
  const first = await startTasktrail({ config, log: () => {} });
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {});
  await first.shutdown();
  const folder = await leave(logDir, 'task-1', 'left\n');
  // Before it: the agent may leave anything.
  writeFileSync(join(folder, `${'0'.repeat(26)}~host~1~1.closed`), 'no segment\n');
  const second = await startTasktrail({ config, log: () => {} });
  onTestFinished(() => second.shutdown());
  await expect.poll(() => existsSync(folder), DEADLINE).toBe(false);
  const notice = (): string => second.books.notices.get('records of agents') ?? '';
  await expect.poll(notice, DEADLINE).toContain('does not begin as a segment');
  const lines = linesOf(logDir, 'task-1', '03-agent-output.jsonl');
  expect(lines.map(({ content }) => content)).toEqual(['left\n']);
});
