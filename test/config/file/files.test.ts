import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectDir, TRUST } from '../../support/project-dir.ts';

const FABER = '.fractary/plugins/faber/config.json';
const LOGS = '.fractary/plugins/logs/config.json';

test('with consent the examples in the documentation of the plugins work unchanged', () => {
  const { put, load } = projectDir();
  put(
    FABER,
    `// .fractary/plugins/faber/config.json
{
  "logging": {
    "use_logs_plugin": true,
    "log_type": "workflow",
    "emit_workflow_events": false
  }
}
`,
  );
  put(
    LOGS,
    `// .fractary/plugins/logs/config.json
{
  "types": {
    "workflow": {
      "local_retention_days": 9,
      "cloud_storage": {
        "enabled": true,
        "provider": "s3",
        "bucket": "fractary.logs.claude-plugins",
        "prefix": "workflow/{year}/{month}/"
      }
    }
  }
}
`,
  );
  const config = load({ env: TRUST });
  expect(config.notes).toEqual([]);
  expect(config).toMatchObject({
    emitWorkflowEvents: false,
    workflowRetentionDays: 9,
    s3: { bucket: 'fractary.logs.claude-plugins', prefix: 'workflow/{year}/{month}/' },
  });
  expect(config.sources).toMatchObject({
    TASK_LOGS_EMIT_WORKFLOW_EVENTS: 'file',
    TASK_LOGS_WORKFLOW_RETENTION_DAYS: 'file',
    TASK_LOGS_S3_BUCKET: 'file',
  });
});

test('the file nearest to the working directory, up to the git root, wins for each setting', () => {
  const { cwd, put, load } = projectDir();
  mkdirSync(join(cwd, 'repo', '.git'), { recursive: true });
  put(LOGS, { types: { workflow: { local_retention_days: 1 } } });
  put(FABER, { logging: { emit_workflow_events: false } });
  const inside = join(cwd, 'repo', 'a', 'b');
  mkdirSync(inside, { recursive: true });
  const outside = load({ cwd: inside, env: TRUST });
  expect(outside).toMatchObject({ workflowRetentionDays: 7, emitWorkflowEvents: true });

  const storage = { enabled: true, bucket: 'at-the-root' };
  put(`repo/${LOGS}`, { types: { workflow: { local_retention_days: 2, cloud_storage: storage } } });
  put(`repo/a/${LOGS}`, { types: { workflow: { local_retention_days: 3 } } });
  expect(load({ cwd: inside, env: TRUST })).toMatchObject({
    workflowRetentionDays: 3,
    s3: { bucket: 'at-the-root' },
  });
  expect(load({ cwd: join(cwd, 'repo'), env: TRUST }).workflowRetentionDays).toBe(2);
});

test('without a repository only files of the working directory are read', () => {
  const { cwd, put, load } = projectDir();
  put(LOGS, { types: { workflow: { local_retention_days: 1 } } });
  mkdirSync(join(cwd, 'a'));
  expect(load({ cwd: join(cwd, 'a'), env: TRUST }).workflowRetentionDays).toBe(7);
  expect(load({ env: TRUST }).workflowRetentionDays).toBe(1);
});

test('tasktrail.config.json overrides the files of the plugins, and the environment overrides all files', () => {
  const { put, load } = projectDir();
  put(FABER, { logging: { emit_workflow_events: false } });
  put(LOGS, {
    types: { workflow: { local_retention_days: 1, cloud_storage: { enabled: true, bucket: 'theirs' } } },
  });
  put('tasktrail.config.json', {
    logging: { emit_workflow_events: true },
    types: { workflow: { local_retention_days: 2, cloud_storage: { enabled: false } } },
  });
  expect(load()).toMatchObject({ emitWorkflowEvents: true, workflowRetentionDays: 2, s3: undefined });
  const env = { TASK_LOGS_EMIT_WORKFLOW_EVENTS: 'false', TASK_LOGS_WORKFLOW_RETENTION_DAYS: '3' };
  const config = load({ env });
  expect(config).toMatchObject({ emitWorkflowEvents: false, workflowRetentionDays: 3 });
  expect(config.sources.TASK_LOGS_WORKFLOW_RETENTION_DAYS).toBe('environment');
});

test("other keys in the plugins' files are ignored", () => {
  const { put, load } = projectDir();
  put(FABER, { workflow: { autonomy: 'guarded' }, logging: { level: 9, use_logs_plugin: false } });
  put(LOGS, {
    types: { session: { local_retention_days: 'for ever' }, workflow: { validate: true, retention: [] } },
    logging: { emit_workflow_events: 'not read here' },
  });
  expect(load()).toMatchObject({ emitWorkflowEvents: true, workflowRetentionDays: 7, s3: undefined });
});

test.each([
  [FABER, { logging: { emit_workflow_events: 'no' } }, 'logging.emit_workflow_events: '],
  [FABER, { logging: true }, 'logging: '],
  [FABER, '{"logging": ', 'line 1: '],
  [
    LOGS,
    { types: { workflow: { local_retention_days: 0 } } },
    'types.workflow.local_retention_days: use a whole',
  ],
  [LOGS, { types: { workflow: { local_retention_days: '7' } } }, 'types.workflow.local_retention_days: '],
  [LOGS, { types: { workflow: { local_retention_days: 1.5 } } }, 'types.workflow.local_retention_days: '],
  [
    LOGS,
    { types: { workflow: { cloud_storage: { enabled: 'yes' } } } },
    'types.workflow.cloud_storage.enabled: ',
  ],
  [LOGS, 'types: none', 'line 1: '],
  [LOGS, '', 'line 1: '],
])('in %s, %j is a problem with its position', (name, content, expected) => {
  const { put, problems } = projectDir();
  const path = put(name, content);
  expect(problems({ env: TRUST })).toEqual([expect.stringContaining(`${path}: ${expected}`)]);
});

test('unknown keys below types are rejected in tasktrail.config.json', () => {
  const { put, problems } = projectDir();
  const path = put('tasktrail.config.json', {
    types: { session: {}, workflow: { retention: 7, cloud_storage: { acl: 'private' } } },
  });
  const found = problems().join('\n');
  for (const key of ['types: ', 'types.workflow: ', 'types.workflow.cloud_storage: '])
    expect(found).toContain(`${path}: ${key}`);
  for (const key of ['"session"', '"retention"', '"acl"']) expect(found).toContain(key);
});

test('a file in place of a plugin directory is ignored', () => {
  const { put, load } = projectDir();
  put('.fractary', 'a file');
  expect(load().workflowRetentionDays).toBe(7);
});

const STORAGE = {
  enabled: true,
  bucket: 'a-bucket',
  prefix: 'x/',
  region: 'eu-1',
  endpoint: 'http://evil.test',
};

test('a checkout names no bucket, endpoint, region or prefix without consent, and a note says so', () => {
  const { put, load } = projectDir();
  const path = put(LOGS, { types: { workflow: { cloud_storage: STORAGE } } });
  const config = load();
  expect(config).toMatchObject({ s3: undefined, asksForUpload: true });
  expect(config.notes).toEqual([expect.stringContaining(`cloud_storage in ${path} is not used: `)]);
  expect(config.notes.join()).toContain('TASK_LOGS_TRUST_PROJECT_CONFIG=true');
  expect(Object.values(config.sourceFiles)).toEqual([]);
  // A bucket of the user takes nothing from the checkout.
  const own = load({ env: { TASK_LOGS_S3_BUCKET: 'mine' } });
  expect(own.s3).toEqual({
    bucket: 'mine',
    prefix: 'workflow/{year}/{month}/',
    region: 'us-east-1',
    endpoint: undefined,
    pathStyle: false,
  });
  expect(load({ env: TRUST }).s3).toMatchObject({ bucket: 'a-bucket', endpoint: 'http://evil.test' });
});

test('values that are not used without consent need not be right', () => {
  const { put, load, problems } = projectDir();
  put(LOGS, { types: { workflow: { cloud_storage: { enabled: 'yes', endpoint: '' } } } });
  expect(problems()).toEqual([]);
  expect(load().notes).toHaveLength(1);
  put(LOGS, { types: { workflow: { cloud_storage: { enabled: false, bucket: 'x' } } } });
  expect(load()).toMatchObject({ notes: [], asksForUpload: false });
});

test('a checkout may lengthen the retention of workflows, and shortens it only with consent', () => {
  const { put, load } = projectDir();
  const path = put(LOGS, { types: { workflow: { local_retention_days: 1 } } });
  expect(load().workflowRetentionDays).toBe(7);
  expect(load().notes).toEqual([expect.stringContaining(`local_retention_days in ${path} is not used: `)]);
  expect(load({ env: TRUST }).workflowRetentionDays).toBe(1);
  put(LOGS, { types: { workflow: { local_retention_days: 90 } } });
  expect(load()).toMatchObject({ workflowRetentionDays: 90, notes: [] });
  expect(load({ env: { TASK_LOGS_WORKFLOW_RETENTION_DAYS: '3' } }).workflowRetentionDays).toBe(3);
});

test('tasktrail.config.json is trusted for a service, and for a command that only records when it is named', () => {
  const { put, load } = projectDir();
  const path = put('tasktrail.config.json', {
    types: { workflow: { local_retention_days: 1, cloud_storage: STORAGE } },
    logging: { emit_workflow_events: false },
  });
  expect(load()).toMatchObject({ s3: { bucket: 'a-bucket' }, workflowRetentionDays: 1, notes: [] });
  const records = load({ recordsOnly: true });
  expect(records).toMatchObject({
    s3: undefined,
    asksForUpload: true,
    workflowRetentionDays: 7,
    emitWorkflowEvents: false,
  });
  expect(records.notes).toHaveLength(2);
  for (const options of [{ configFile: path }, { env: TRUST }])
    expect(load({ recordsOnly: true, ...options })).toMatchObject({
      s3: {},
      workflowRetentionDays: 1,
      notes: [],
    });
});

test('files above the git root and beside it are not read, whatever GIT_DIR says', () => {
  const { cwd, put, load } = projectDir();
  put(FABER, { logging: { emit_workflow_events: false } });
  put('inner/.git', 'gitdir: /nowhere');
  mkdirSync(join(cwd, 'inner', 'deep'));
  const env = { GIT_DIR: join(cwd, '.git'), GIT_WORK_TREE: cwd };
  expect(load({ cwd: join(cwd, 'inner', 'deep'), env }).emitWorkflowEvents).toBe(true);
});

test('a linked .fractary is read, and trusted no more than one in its place', () => {
  const { cwd, put, load } = projectDir();
  put(`elsewhere/${LOGS}`, { types: { workflow: { local_retention_days: 20, cloud_storage: STORAGE } } });
  mkdirSync(join(cwd, 'repo'));
  symlinkSync(join(cwd, 'elsewhere', '.fractary'), join(cwd, 'repo', '.fractary'));
  expect(load({ cwd: join(cwd, 'repo') })).toMatchObject({ workflowRetentionDays: 20, s3: undefined });
});

test.each([
  ['1 MiB and a byte', ' '.repeat(1_048_577), 'cannot be read: it is longer than 1048576 bytes'],
  ['a nest of lists', '['.repeat(500_000), 'is nested more than 64 levels deep'],
])('a file with %s is a problem', (_, content, expected) => {
  const { put, problems } = projectDir();
  const path = put(LOGS, content);
  expect(problems()).toEqual([`${path}: ${expected}`]);
});

test('a FIFO, a device or a directory in place of a file is a problem and is not waited for', () => {
  const { cwd, put, problems } = projectDir();
  const path = put(LOGS, '');
  rmSync(path);
  execFileSync('mkfifo', [path]);
  expect(problems()).toEqual([`${path}: cannot be read: it is not a regular file`]);
  rmSync(path);
  symlinkSync('/dev/zero', path);
  expect(problems()).toEqual([`${path}: cannot be read: it is not a regular file`]);
  rmSync(path);
  mkdirSync(path);
  expect(problems()).toEqual([`${path}: cannot be read: it is a directory`]);
  rmSync(path, { recursive: true });
  mkdirSync(join(cwd, '.git'));
  execFileSync('mkfifo', [join(cwd, '.git', 'config')]);
  expect(problems({ env: { TASK_LOGS_S3_BUCKET: `\${ORG}.logs` } })).toEqual([
    expect.stringContaining('is not known'),
  ]);
});

test.each([{ TASK_LOGS_RUN_ID: 'run-1' }, { TASK_LOGS_TASK_ID: 'task-1', TASK_LOGS_STORE: 'false' }])(
  'below an agent no file is read (%o)',
  (env) => {
    const { put, load } = projectDir();
    put('tasktrail.config.json', '{ this is no JSON');
    put(FABER, { logging: { emit_workflow_events: false } });
    expect(load({ env })).toMatchObject({ emitWorkflowEvents: true, configFiles: [], trigger: '@agent' });
  },
);
