import { expect, test } from 'vitest';
import { projectDir, TRUST } from '../support/project-dir.ts';

const ON = { TASK_LOGS_S3_BUCKET: 'logs-of-acme' };

function storage(cloud_storage: object): object {
  return { types: { workflow: { cloud_storage } } };
}

test('S3 is disabled by default, and the settings of a disabled storage are not checked', () => {
  const { put, load } = projectDir();
  put('tasktrail.config.json', storage({ enabled: false, bucket: `\${NOT}.checked`, prefix: '{x}' }));
  const env = {
    TASK_LOGS_S3_BUCKET: '',
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL: 'not a URL',
    ORG: 'acme',
  };
  expect(load({ env }).s3).toBeUndefined();
});

test('a bucket in the environment enables S3', () => {
  const { load } = projectDir();
  expect(load({ env: ON }).s3).toEqual({
    bucket: 'logs-of-acme',
    prefix: 'workflow/{year}/{month}/',
    region: 'us-east-1',
    endpoint: undefined,
    pathStyle: false,
  });
});

test('the environment overrides the file, key by key', () => {
  const { put, load } = projectDir();
  const file = {
    enabled: true,
    provider: 's3',
    format: 'json',
    bucket: 'of-the-file',
    prefix: 'file/',
    endpoint: 'http://file.test:9000',
    region: 'eu-file-1',
    force_path_style: false,
  };
  put('tasktrail.config.json', storage(file));
  expect(load()).toMatchObject({
    s3: {
      bucket: 'of-the-file',
      prefix: 'file/',
      endpoint: 'http://file.test:9000',
      region: 'eu-file-1',
      pathStyle: false,
    },
    sources: {
      TASK_LOGS_S3_BUCKET: 'file',
      TASK_LOGS_S3_PREFIX: 'file',
      TASK_LOGS_S3_ENDPOINT: 'file',
      TASK_LOGS_S3_PATH_STYLE: 'file',
      AWS_REGION: 'file',
    },
  });
  const env = {
    TASK_LOGS_S3_BUCKET: 'of-the-environment',
    TASK_LOGS_S3_PREFIX: 'environment/{m}/',
    TASK_LOGS_S3_ENDPOINT: 'https://environment.test',
    TASK_LOGS_S3_PATH_STYLE: 'yes',
    AWS_DEFAULT_REGION: 'ap-south-1',
  };
  const config = load({ env });
  expect(config).toMatchObject({
    s3: {
      bucket: 'of-the-environment',
      prefix: 'environment/{m}/',
      endpoint: 'https://environment.test',
      region: 'ap-south-1',
      pathStyle: true,
    },
    sources: { TASK_LOGS_S3_BUCKET: 'environment', TASK_LOGS_S3_PATH_STYLE: 'environment' },
  });
  // The bucket of the environment and the other keys of the file, even if the file disables the storage.
  put('tasktrail.config.json', storage({ ...file, enabled: false }));
  expect(load({ env: ON }).s3).toMatchObject({ bucket: 'logs-of-acme', prefix: 'file/' });
});

test('TASK_LOGS_S3_ENDPOINT precedes the two variables of the AWS SDKs, and an endpoint enables path style', () => {
  const { load } = projectDir();
  const all = {
    TASK_LOGS_S3_ENDPOINT: 'http://one:1',
    AWS_ENDPOINT_URL_S3: 'http://two:2',
    AWS_ENDPOINT_URL: 'http://three:3',
  };
  const s3 = (env: Record<string, string>): unknown => load({ env: { ...ON, ...env } }).s3;
  expect(s3(all)).toMatchObject({ endpoint: 'http://one:1', pathStyle: true });
  expect(s3({ ...all, TASK_LOGS_S3_ENDPOINT: '' })).toMatchObject({
    endpoint: 'http://two:2',
    pathStyle: true,
  });
  expect(s3({ AWS_ENDPOINT_URL: 'http://three:3' })).toMatchObject({ endpoint: 'http://three:3' });
  expect(s3({ ...all, TASK_LOGS_S3_PATH_STYLE: 'false' })).toMatchObject({ pathStyle: false });
  const regions = { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-2' };
  expect(s3(regions)).toMatchObject({ region: 'eu-west-1' });
  expect(s3({ ...regions, AWS_REGION: '' })).toMatchObject({ region: 'eu-west-2' });
});

test('ORG and PROJECT come from the environment, or else from the repository', () => {
  const { put, load } = projectDir();
  put('repo/.git/config', '[remote "origin"]\n\turl = git@github.com:acme/other-name.git\n');
  const cwd = put(
    'repo/tasktrail.config.json',
    storage({
      enabled: true,
      bucket: `\${ORG}.logs.\${PROJECT}`,
      prefix: `\${PROJECT}/\${ORG}/{year}/{m}/`,
    }),
  ).replace('/tasktrail.config.json', '');
  expect(load({ cwd }).s3).toMatchObject({ bucket: 'acme.logs.repo', prefix: 'repo/acme/{year}/{m}/' });
  const env = { ORG: 'other', PROJECT: 'thing' };
  expect(load({ cwd, env }).s3).toMatchObject({
    bucket: 'other.logs.thing',
    prefix: 'thing/other/{year}/{m}/',
  });
});

test('a checkout does not complete the name of a bucket for a command that only records', () => {
  const { put, load } = projectDir();
  const config = put('repo/.git/config', '[remote "origin"]\n\turl = git@github.com:evil/repo.git\n');
  const cwd = config.replace('/.git/config', '');
  const env = { TASK_LOGS_S3_BUCKET: `\${ORG}.logs.\${PROJECT}` };
  const records = { cwd, recordsOnly: true };
  expect(load({ cwd, env }).s3?.bucket).toBe('evil.logs.repo');
  expect(load({ ...records, env })).toMatchObject({ s3: undefined, asksForUpload: true });
  expect(load({ ...records, env }).notes).toEqual([
    `TASK_LOGS_S3_BUCKET is not used: the checkout would choose \${ORG} and \${PROJECT}: set ORG and PROJECT`,
  ]);
  const named = { ...env, ORG: 'acme', PROJECT: 'all' };
  expect(load({ ...records, env: named }).s3?.bucket).toBe('acme.logs.all');
  expect(load({ ...records, env: { ...env, ...TRUST } }).s3?.bucket).toBe('evil.logs.repo');
});

test.each([
  [{ TASK_LOGS_S3_BUCKET: `\${ORG}.logs` }, `TASK_LOGS_S3_BUCKET: \${ORG} is not known`],
  [{ TASK_LOGS_S3_BUCKET: `logs-\${USER}` }, `TASK_LOGS_S3_BUCKET: \${USER} is no placeholder`],
  [{ TASK_LOGS_S3_BUCKET: 'logs-{year}' }, 'TASK_LOGS_S3_BUCKET: "logs-{year}" is no name for a bucket'],
  [{ ...ON, TASK_LOGS_S3_PREFIX: `x/\${year}/` }, `TASK_LOGS_S3_PREFIX: \${year} is no placeholder`],
  [{ ...ON, TASK_LOGS_S3_PREFIX: 'x/{day}/' }, 'TASK_LOGS_S3_PREFIX: {day} is no placeholder'],
  [{ ...ON, TASK_LOGS_S3_PREFIX: 'x/{year/' }, 'TASK_LOGS_S3_PREFIX: {year/ is no placeholder'],
  [{ ...ON, TASK_LOGS_S3_PREFIX: 'x/year}/' }, 'TASK_LOGS_S3_PREFIX: } is no placeholder'],
  [{ ...ON, TASK_LOGS_S3_ENDPOINT: 'localhost:9000' }, 'TASK_LOGS_S3_ENDPOINT: use a URL'],
  [{ ...ON, AWS_ENDPOINT_URL: 'localhost:9000' }, 'AWS_ENDPOINT_URL: use a URL'],
  [{ ...ON, TASK_LOGS_S3_PATH_STYLE: 'perhaps' }, 'TASK_LOGS_S3_PATH_STYLE: use true or false'],
])('%j is a problem', (env, expected) => {
  expect(projectDir().problems({ env })).toEqual([expect.stringContaining(expected)]);
});

test.each(['ab', 'Acme', 'a_b', 'a..b', '-ab', 'ab-', '192.168.1.1', 'a'.repeat(64), 'a b', 's3://bucket'])(
  'the bucket name %s is rejected',
  (bucket) => {
    const { problems } = projectDir();
    const expected = expect.stringContaining(`TASK_LOGS_S3_BUCKET: ${JSON.stringify(bucket)} is no name`);
    expect(problems({ env: { TASK_LOGS_S3_BUCKET: bucket } })).toEqual([expected]);
  },
);

test.each(['abc', 'a.b', '1-a.2', 'a'.repeat(63)])('the bucket name %s is accepted', (bucket) => {
  expect(projectDir().load({ env: { TASK_LOGS_S3_BUCKET: bucket } }).s3?.bucket).toBe(bucket);
});

test.each([
  [{}, 'bucket: name the bucket, or set TASK_LOGS_S3_BUCKET'],
  [{ bucket: '' }, 'bucket: "" is no name for a bucket'],
  [{ bucket: `\${ORG}.logs` }, `bucket: \${ORG} is not known`],
  [{ bucket: 'abc', provider: 'gcs' }, 'provider: only "s3" is supported (it is "gcs")'],
  [{ bucket: 'abc', format: 'parquet' }, 'format: only "json" is supported (it is "parquet")'],
  [{ bucket: 'abc', endpoint: 'minio' }, 'endpoint: use a URL'],
  [{ bucket: 'abc', region: '' }, 'region: must not be empty'],
])('an enabled cloud storage with %j is a problem', (more, expected) => {
  const { put, problems } = projectDir();
  const path = put('.fractary/plugins/logs/config.json', storage({ enabled: true, ...more }));
  expect(problems({ env: TRUST })).toEqual([
    expect.stringContaining(`${path}: types.workflow.cloud_storage.${expected}`),
  ]);
});

test('the prefix may be empty in the file, so that documents are at the top of the bucket', () => {
  const { put, load } = projectDir();
  put('tasktrail.config.json', storage({ enabled: true, bucket: 'abc', prefix: '' }));
  expect(load().s3?.prefix).toBe('');
});
