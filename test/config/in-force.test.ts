import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type SettingInForce, settingsInForce } from '../../src/config/in-force.ts';
import { readSettings } from '../../src/config/read-settings.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { type ProjectDir, projectDir } from '../support/project-dir.ts';

type Env = Readonly<Record<string, string>>;

function inForce(project: ProjectDir, env: Env = {}, flags: Env = {}): Map<string, SettingInForce> {
  const config = project.load({ env, flags });
  const rows = settingsInForce(config, readSettings(flags, { variables: env }));
  return new Map(rows.map((row) => [row.name, row]));
}

test('every setting and every key that exists only in the file has a row', () => {
  const rows = inForce(projectDir());
  expect([...rows.keys()]).toEqual([
    ...Object.keys(SETTINGS),
    'trigger',
    'agents',
    'commands',
    'webhooks',
    'notify',
  ]);
  expect([...rows.values()].every(({ source }) => source === 'default')).toBe(true);
  expect(rows.get('PORT')).toMatchObject({ value: 8000, group: 'HTTP', isSecret: false });
  expect(rows.get('agents')?.value).toBeUndefined();
});

test('a row has the flag, variable or file of its value', () => {
  const project = projectDir();
  const path = project.put('tasktrail.config.json', {
    trigger: '@bot',
    types: { workflow: { local_retention_days: 12 } },
  });
  const rows = inForce(project, { HOST: 'localhost', ORG: 'acme' }, { PORT: '1' });
  expect(rows.get('PORT')).toMatchObject({ value: 1, source: 'flag', flag: '--port' });
  expect(rows.get('HOST')).toMatchObject({ value: 'localhost', source: 'environment', path: undefined });
  expect(rows.get('ORG')).toMatchObject({ value: 'acme', source: 'environment' });
  expect(rows.get('trigger')).toMatchObject({ value: '@bot', source: 'file', path });
  expect(rows.get('TASK_LOGS_WORKFLOW_RETENTION_DAYS')).toMatchObject({ value: 12, source: 'file', path });
});

test('a row has the parsed value, not the text of the variable', () => {
  const project = projectDir();
  const rows = inForce(project, { TASK_LOGS_DIR: 'logs', TASK_LOGS_ENABLED: 'OFF', PORT: '4318' });
  expect(rows.get('TASK_LOGS_DIR')?.value).toBe(join(project.cwd, 'logs'));
  expect(rows.get('TASK_LOGS_ENABLED')?.value).toBe(false);
  expect(rows.get('TASK_LOGS_OTLP_PORT')).toMatchObject({ value: 0, source: 'default' });
});

test('a value derived from another setting has the name of that setting', () => {
  const env = {
    HOST: 'localhost',
    TASK_LOGS_S3_BUCKET: 'bucket',
    AWS_ENDPOINT_URL: 'http://minio.test',
    AWS_DEFAULT_REGION: 'eu-west-1',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=robot',
  };
  const rows = inForce(projectDir(), env);
  expect(rows.get('TASK_LOGS_OTLP_HOST')).toMatchObject({ value: 'localhost', from: 'HOST' });
  expect(rows.get('TASK_LOGS_S3_ENDPOINT')).toMatchObject({
    value: 'http://minio.test',
    from: 'AWS_ENDPOINT_URL',
  });
  expect(rows.get('AWS_REGION')).toMatchObject({ value: 'eu-west-1', from: 'AWS_DEFAULT_REGION' });
  expect(rows.get('OTEL_SERVICE_NAME')).toMatchObject({ value: 'robot', from: 'OTEL_RESOURCE_ATTRIBUTES' });
  // OTEL_RESOURCE_ATTRIBUTES has no environment, so the default applies.
  expect(rows.get('FRACTARY_ENV')).toMatchObject({ value: 'development', source: 'default' });
  expect(rows.get('FRACTARY_ENV')?.from).toBeUndefined();
});

test('each agent, command and webhook has a row, and the agent of TASK_LOGS_AGENT_COMMAND names the variable', () => {
  const project = projectDir();
  const path = project.put('tasktrail.config.json', {
    agents: { default: { command: ['other'] }, claude: { command: ['claude'] } },
    commands: { review: { agent: 'claude' } },
    webhooks: { ci: { secret: 'x', header: 'H', message: 'm' } },
  });
  const rows = inForce(project, { TASK_LOGS_AGENT_COMMAND: 'sh -c true' });
  expect(rows.get('agents.default')).toMatchObject({
    value: { command: ['sh', '-c', 'true'] },
    source: 'default',
    from: 'TASK_LOGS_AGENT_COMMAND',
  });
  for (const name of ['agents.claude', 'commands.review', 'webhooks.ci'])
    expect(rows.get(name), name).toMatchObject({ source: 'file', path });
  expect(rows.has('agents')).toBe(false);
});
