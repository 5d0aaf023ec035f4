import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkKeptJobs } from '../../src/doctor/kept-jobs.ts';
import { JobStore } from '../../src/queue/job-store.ts';
import { makeDirectory } from '../../src/system/durable.ts';
import { jobOf } from '../support/queue-contract.ts';
import { linesOf, subjectOf } from './subject.ts';

test('tasks whose jobs cannot be read are named, and nothing is changed', async () => {
  const subject = subjectOf();
  const { logDir } = subject.config;
  expect(await checkKeptJobs(subject)).toEqual([]);
  await makeDirectory(logDir);
  const jobs = await JobStore.open(logDir);
  await jobs.add(jobOf('task-1'), { name: 'agent', system: 'in_process', home: 'here' });
  expect(await checkKeptJobs(subject)).toEqual([]);
  writeFileSync(join(logDir, '_queue', 'task-2.json'), '{"schema_version":2}');
  expect(linesOf(await checkKeptJobs(subject))).toMatch(
    /^problem .*not queued again: _queue\/task-2\.json is damaged: schema_version.* -> repair the file/,
  );
  expect(await jobs.taskIds()).toEqual(['task-1', 'task-2']);
  const off = subjectOf({ TASK_LOGS_STORE: 'false' });
  expect(await checkKeptJobs(off)).toEqual([]);
});
