import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { startUploads, uploadsOf } from '../../src/trail/uploads.ts';
import { tempDir } from '../support/log-dir.ts';
import { documentOf, wholeRun, writeWorkflow } from '../support/workflow-files.ts';

const ID = 'workflow-1-20261121T100000Z-abc';

function configOf(logDir: string, env: Record<string, string>): Config {
  return loadConfig({ env: { TASK_LOGS_DIR: logDir, ...env }, cwd: logDir });
}

test('without a bucket there are no uploads', async () => {
  const config = configOf(await tempDir(), {});
  expect(uploadsOf(config)).toBeUndefined();
  expect(startUploads(config, new Books(), () => {})).toBeUndefined();
});

test('a document is uploaded once its mark has the bucket, key and revision of the settings', async () => {
  const logDir = await tempDir();
  const uploads = uploadsOf(configOf(logDir, { TASK_LOGS_S3_BUCKET: 'logs-of-acme' }));
  const month = join(logDir, '_workflow', '2026', '11');
  writeWorkflow(month, ID, { document: documentOf(ID, wholeRun(ID), 3) });
  expect(await uploads?.isUploaded(ID)).toBe(false);
  const [bucket, key] = ['logs-of-acme', `workflow/2026/11/${ID}.json`];
  writeWorkflow(month, ID, {
    uploaded: { bucket, key, revision: 3, verified_at: '2026-11-21T11:00:00.000Z' },
  });
  expect(await uploads?.isUploaded(ID)).toBe(true);
  const other = uploadsOf(configOf(logDir, { TASK_LOGS_S3_BUCKET: 'logs-of-umbrella' }));
  expect(await other?.isUploaded(ID)).toBe(false);
});
