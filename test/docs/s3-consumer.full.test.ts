import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { recordWorkflow, startTasktrail } from '../../src/index.ts';
import { pathOf } from '../support/tool.ts';
import { until } from '../support/until.ts';
import { ACCESS_KEY, findBoto3, findVersitygw, SECRET_KEY, startVersitygw } from '../support/versitygw.ts';
import { readPages } from './markdown.ts';

const [python, versitygw] = [findBoto3(), findVersitygw()];
const isReady = 'path' in python && 'path' in versitygw;

const page = readPages().find(({ path }) => path === 'docs/workflows.md');
const blocks = (page?.blocks ?? []).filter(({ language }) => language === 'python');

describe.skipIf(!isReady)('the consumer of docs/workflows.md', () => {
  test('finds an ended workflow in its bucket', async () => {
    expect(blocks).toHaveLength(1);
    const [script] = blocks;
    const [, bucket = ''] = /'(fractary[\w.-]+)'/.exec(script?.text ?? '') ?? [];
    const dir = await mkdtemp(join(tmpdir(), 'tasktrail-consumer-'));
    const server = await startVersitygw(pathOf(versitygw));
    const secrets = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };
    const before = { ...process.env };
    try {
      await server.makeBucket(bucket);
      // The AWS SDK reads credentials from process.env.
      Object.assign(process.env, secrets);
      const env = { TASK_LOGS_DIR: dir, TASK_LOGS_OTLP_PORT: '0', TASK_LOGS_S3_BUCKET: bucket };
      const settings = { ...env, TASK_LOGS_S3_ENDPOINT: server.endpoint };
      const trail = await startTasktrail({ env: settings, cwd: dir, log: () => {} });
      let id = '';
      await recordWorkflow('faber', { workItemId: '199' }, async (workflow) => {
        id = workflow.id;
        await workflow.phase('build', {}, () => {});
      });
      await until(
        async () => (await trail.reader.readWorkflow(id))?.upload?.status === 'verified',
        'the upload',
      );
      await trail.shutdown();
      const { stdout } = await promisify(execFile)(pathOf(python), ['-c', script?.text ?? ''], {
        env: { ...secrets, AWS_ENDPOINT_URL: server.endpoint, AWS_DEFAULT_REGION: 'us-east-1' },
      });
      expect(stdout).toBe(`Workflow ${id} completed: success\n`);
    } finally {
      for (const name of Object.keys(secrets)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
});
