import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkBucket } from '../../src/doctor/bucket.ts';
import { freePort } from '../support/free-port.ts';
import {
  ACCESS_KEY,
  findVersitygw,
  type S3Server,
  SECRET_KEY,
  startVersitygw,
} from '../support/versitygw.ts';
import { linesOf, serveTcp, subjectOf } from './subject.ts';

const tool = findVersitygw();
const isMissing = 'missing' in tool;
let server: S3Server | undefined;

beforeAll(async () => {
  if ('path' in tool) server = await startVersitygw(tool.path);
  await server?.makeBucket('logs-of-acme');
});
afterAll(() => server?.stop());

async function look(bucket: string, endpoint: string, secret: string = SECRET_KEY): Promise<string> {
  const subject = subjectOf({ TASK_LOGS_S3_BUCKET: bucket, TASK_LOGS_S3_ENDPOINT: endpoint });
  // The SDK finds them in the process.
  vi.stubEnv('AWS_ACCESS_KEY_ID', ACCESS_KEY);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secret);
  return linesOf(await checkBucket(subject));
}

test('a missing bucket is not a problem', async () => {
  expect(linesOf(await checkBucket(subjectOf()))).toMatch(/^ok TASK_LOGS_S3_BUCKET: not set/);
});

test.skipIf(isMissing)('a readable bucket is ok, and nothing is written to it', async () => {
  const endpoint = server?.endpoint ?? '';
  const host = new URL(endpoint).host;
  expect(await look('logs-of-acme', endpoint)).toMatch(
    new RegExp(`^ok s3://logs-of-acme at ${host}: answers`),
  );
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  const listed = await server?.client.send(new ListObjectsV2Command({ Bucket: 'logs-of-acme' }));
  expect(listed?.KeyCount).toBe(0);
});

test.skipIf(isMissing)('a missing bucket and refused credentials are problems with advice', async () => {
  const endpoint = server?.endpoint ?? '';
  expect(await look('no-such-bucket', endpoint)).toMatch(/^problem .*the bucket does not exist -> create it/);
  const line = await look('logs-of-acme', endpoint, 'a-wrong-secret');
  expect(line).toMatch(/^problem .*the credentials are refused -> check AWS_ACCESS_KEY_ID/);
  expect(line).not.toContain('a-wrong-secret');
});

test('an unreachable server, and one that hangs, are problems', async () => {
  expect(await look('logs-of-acme', `http://127.0.0.1:${await freePort()}`)).toMatch(
    /^problem .*cannot be reached.* -> /,
  );
  const port = await serveTcp(() => {});
  expect(await look('logs-of-acme', `http://127.0.0.1:${port}`)).toMatch(
    /^problem .*does not answer in time -> /,
  );
});
