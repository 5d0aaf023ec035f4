import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { printConfig } from '../../src/cli/config.ts';
import { projectDir } from '../support/project-dir.ts';

const FLAGS = {
  TASK_LOGS_DIR: '/x/logs',
  TASK_LOGS_S3_BUCKET: 'logs-of-acme',
  TASK_LOGS_S3_ENDPOINT: 'http://key:do-not-print@minio.test:9000',
  TASK_LOGS_COMPRESS_DAYS: '3',
  AWS_REGION: 'us-east-1',
};

function print(json: boolean): string {
  const { cwd } = projectDir();
  const path = join(cwd, 'config.json');
  writeFileSync(path, JSON.stringify({ types: { workflow: { local_retention_days: 12 } } }));
  let printed = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  try {
    printConfig(FLAGS, { path, json });
  } finally {
    spy.mockRestore();
  }
  return printed;
}

test('retention and S3 are printed as they are in force, each with its source', () => {
  const lines = print(false);
  expect(lines).toMatch(/^workflowRetentionDays +12$/m);
  expect(lines).toMatch(/^compressDays +3$/m);
  expect(lines).toMatch(
    /^s3 +\{"bucket":"logs-of-acme","prefix":"workflow\/\{year\}\/\{month\}\/",.*"pathStyle":true\}$/m,
  );
  for (const source of ['TASK_LOGS_WORKFLOW_RETENTION_DAYS (file)', 'TASK_LOGS_S3_BUCKET (flag)'])
    expect(lines).toContain(source);
});

test('the values stand in one column, whatever the longest name is', () => {
  const columns = print(false)
    .split('\n\n')[0]
    ?.split('\n')
    .map((line) => /^\S+ +/.exec(line)?.[0].length);
  expect(new Set(columns).size).toBe(1);
});

test('a password in an address is not printed', () => {
  for (const json of [false, true]) {
    const printed = print(json);
    expect(printed).toContain('minio.test:9000');
    expect(printed).not.toContain('do-not-print');
  }
});

test('as JSON it has the fields of the configuration', () => {
  expect(JSON.parse(print(true))).toMatchObject({
    workflowRetentionDays: 12,
    compressDays: 3,
    s3: { bucket: 'logs-of-acme', region: 'us-east-1', pathStyle: true },
    sources: { TASK_LOGS_WORKFLOW_RETENTION_DAYS: 'file' },
  });
});
