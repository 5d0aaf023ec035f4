import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectDir } from '../../support/project-dir.ts';

const FABER = '.fractary/plugins/faber/config.json';
const LOGS = '.fractary/plugins/logs/config.json';

test('the examples in the documentation of the plugins are accepted unchanged', () => {
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
  const config = load();
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
  const outside = load({ cwd: inside });
  expect(outside).toMatchObject({ workflowRetentionDays: 7, emitWorkflowEvents: true });

  const storage = { enabled: true, bucket: 'at-the-root' };
  put(`repo/${LOGS}`, { types: { workflow: { local_retention_days: 2, cloud_storage: storage } } });
  put(`repo/a/${LOGS}`, { types: { workflow: { local_retention_days: 3 } } });
  expect(load({ cwd: inside })).toMatchObject({ workflowRetentionDays: 3, s3: { bucket: 'at-the-root' } });
  expect(load({ cwd: join(cwd, 'repo') }).workflowRetentionDays).toBe(2);
});

test('without a repository only files of the working directory are read', () => {
  const { cwd, put, load } = projectDir();
  put(LOGS, { types: { workflow: { local_retention_days: 1 } } });
  mkdirSync(join(cwd, 'a'));
  expect(load({ cwd: join(cwd, 'a') }).workflowRetentionDays).toBe(7);
  expect(load().workflowRetentionDays).toBe(1);
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
  expect(problems()).toHaveLength(1);
  expect(problems()[0]).toContain(`${path}: ${expected}`);
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
