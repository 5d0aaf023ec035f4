import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { loadOptional } from '../system/optional-package.ts';
import { type Finding, ok, problem, type Subject } from './finding.ts';

/** Milliseconds. Without credentials the SDK asks the instance metadata service for a role, which takes a second. */
const BUCKET_MS = 3_000;

/**
 * Whether the bucket answers and permits reading and listing: S3 answers 404 for a missing object only to a caller that may
 * list. Write access is not tested, because the doctor changes nothing.
 */
export async function checkBucket({ config }: Subject): Promise<readonly Finding[]> {
  const { s3 } = config;
  if (s3 === undefined) return [ok('TASK_LOGS_S3_BUCKET', 'not set: documents stay in the files')];
  const where = `s3://${s3.bucket}${s3.endpoint === undefined ? ` (${s3.region})` : ` at ${new URL(s3.endpoint).host}`}`;
  const { openBucket } = await loadOptional(
    '@aws-sdk/client-s3',
    () => import('../archive/s3-bucket.ts'),
    'TASK_LOGS_S3_BUCKET',
  );
  const bucket = openBucket({ ...s3, signal: AbortSignal.timeout(BUCKET_MS) });
  try {
    await bucket.read(`${s3.prefix.split('{', 1)[0] ?? ''}${randomUUID()}`);
    return [ok(where, 'answers, and can be read and listed; write access is not tested')];
  } catch (error) {
    const isLate = error instanceof Error && /abort/i.test(`${error.name} ${messageOf(error)}`);
    if (isLate)
      return [problem(where, 'the server does not answer in time', 'check the endpoint and the firewalls')];
    // The archive formats its errors as `problem: advice`.
    const [what = '', ...rest] = messageOf(error).split(': ');
    const advice = rest.join(': ');
    return [problem(where, what, advice === '' ? 'check TASK_LOGS_S3_ENDPOINT and AWS_REGION' : advice)];
  } finally {
    bucket.close();
  }
}
