import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { loadOptional } from '../system/optional-package.ts';
import { type Finding, ok, problem, type Subject } from './finding.ts';

/** Where no role is found, the SDK asks the network of the machine for one, which takes a second. */
const BUCKET_MS = 3_000;

/**
 * Whether the bucket answers, and lets us read and list: an object that cannot be there is asked for, and only who may
 * list is told that it is not there. Whether it can be written to shows with the first document: nothing is tried.
 */
export async function lookAtBucket({ config }: Subject): Promise<readonly Finding[]> {
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
    return [ok(where, 'answers, and can be read and listed; whether it can be written is not tried')];
  } catch (error) {
    const isLate = error instanceof Error && /abort/i.test(`${error.name} ${messageOf(error)}`);
    if (isLate)
      return [
        problem(where, 'the server does not answer in time', 'check the endpoint, and firewalls on the way'),
      ];
    // `what to know: what to do`, as the archive words it for /readyz.
    const [what = '', ...rest] = messageOf(error).split(': ');
    const advice = rest.join(': ');
    return [problem(where, what, advice === '' ? 'check TASK_LOGS_S3_ENDPOINT and AWS_REGION' : advice)];
  } finally {
    bucket.close();
  }
}
