import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { printConfig } from '../../src/cli/config.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { projectDir } from '../support/project-dir.ts';

const FLAGS = {
  TASK_LOGS_DIR: '/x/logs',
  TASK_LOGS_S3_BUCKET: 'logs-of-acme',
  TASK_LOGS_S3_ENDPOINT: 'http://key:do-not-print@minio.test:9000',
  TASK_LOGS_COMPRESS_DAYS: '3',
  AWS_REGION: 'us-east-1',
  GITHUB_WEBHOOK_SECRET: 'nor-this-nor-this',
};

const FILE = {
  agents: { 'secret-scan': { command: ['claude', '-p', 'two words'], dialect: 'claude', cwd: '.' } },
  webhooks: { ci: { secret: 'nor-that-nor-that', header: 'X-Ci-Signature', message: 'text' } },
  types: { workflow: { local_retention_days: 12 } },
};

function print(json: boolean): { readonly printed: string; readonly path: string } {
  const { cwd } = projectDir();
  const path = join(cwd, 'config.json');
  writeFileSync(path, JSON.stringify(FILE));
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
  return { printed, path };
}

/** A setting's value and source, put together from its lines. */
function cellsOf(printed: string, name: string): { value: string; source: string } {
  const lines = printed.split('\n');
  const first = lines.findIndex((line) => line.startsWith(`  ${name} `));
  const column = (lines[first] ?? '').indexOf(lines[first]?.trim().split(/ {2,}/)[1] ?? '');
  const cells = { value: '', source: '' };
  for (const [index, line] of lines.slice(first).entries()) {
    if (index > 0 && line.slice(0, column).trim() !== '') break;
    const [value = '', source = ''] = line.slice(column).split(/ {2,}/);
    cells.value += value;
    cells.source += source;
  }
  return cells;
}

test('each setting is printed by its name, with the value in force and its source', () => {
  const { printed, path } = print(false);
  expect(cellsOf(printed, 'TASK_LOGS_COMPRESS_DAYS')).toEqual({ value: '3', source: 'flag' });
  expect(cellsOf(printed, 'TASK_LOGS_DIR')).toEqual({ value: '/x/logs', source: 'flag --dir' });
  expect(cellsOf(printed, 'TASK_LOGS_S3_PREFIX')).toEqual({
    value: SETTINGS.TASK_LOGS_S3_PREFIX.default,
    source: 'default',
  });
  expect(cellsOf(printed, 'TASK_LOGS_WORKFLOW_RETENTION_DAYS')).toEqual({ value: '12', source: path });
  expect(cellsOf(printed, 'TASK_LOGS_WORKFLOW_DIR')).toEqual({
    value: '/x/logs/_workflow',
    source: 'TASK_LOGS_DIR',
  });
  expect(cellsOf(printed, 'TASK_LOGS_API_TOKEN').value).toBe('(not set)');
  expect(cellsOf(printed, 'trigger')).toEqual({ value: '@agent', source: 'default' });
  for (const name of Object.keys(SETTINGS)) expect(printed).toContain(`\n  ${name} `);
});

test('an agent is printed with its command line, quoted where a shell needs it', () => {
  const { value, source } = cellsOf(print(false).printed, 'agents.secret-scan');
  expect(value.replaceAll(' ', '')).toBe("command:claude-p'twowords';dialect:claude;cwd:.");
  expect(source).toMatch(/config\.json$/);
});

test('the table fits 100 columns, and its values stand in one column', () => {
  const lines = print(false).printed.split('\n');
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
  const columns = lines
    .filter((line) => /^ {2}\S/.test(line))
    .map((line) => /^ {2}\S+ +/.exec(line)?.[0].length);
  expect(columns.length).toBeGreaterThan(40);
  expect(new Set(columns).size).toBe(1);
});

test('no secret and no password is printed, only that they are set', () => {
  for (const json of [false, true]) {
    const { printed } = print(json);
    expect(printed.replaceAll(/\s/g, '')).toContain('http://(set)@minio.test:9000');
    expect(printed).not.toMatch(/do-not-print|nor-this|nor-that/);
  }
  const { printed } = print(false);
  expect(cellsOf(printed, 'GITHUB_WEBHOOK_SECRET')).toEqual({ value: '(set)', source: 'flag' });
  expect(cellsOf(printed, 'webhooks.ci').value).toContain('secret: (set);');
});

test('as JSON it has the fields of the configuration', () => {
  const { printed, path } = print(true);
  expect(JSON.parse(printed)).toMatchObject({
    workflowRetentionDays: 12,
    compressDays: 3,
    githubSecrets: '(set)',
    githubToken: null,
    s3: { bucket: 'logs-of-acme', region: 'us-east-1', pathStyle: true },
    agents: { 'secret-scan': { command: ['claude', '-p', 'two words'] } },
    webhooks: { ci: { secret: '(set)', header: 'x-ci-signature' } },
    sources: {
      TASK_LOGS_WORKFLOW_RETENTION_DAYS: 'file',
      GITHUB_WEBHOOK_SECRET: 'flag',
      GITHUB_TOKEN: 'default',
    },
    sourceFiles: { TASK_LOGS_WORKFLOW_RETENTION_DAYS: path },
  });
});

test('as JSON it has every setting with its value, its source and the file, in order', () => {
  const { printed, path } = print(true);
  const { settings } = JSON.parse(printed) as { settings: { name: string }[] };
  expect(settings.map(({ name }) => name)).toEqual([
    ...Object.keys(SETTINGS),
    ...['trigger', 'agents.secret-scan', 'commands', 'webhooks.ci', 'notify'],
  ]);
  const row = (name: string): unknown => settings.find((setting) => setting.name === name);
  expect(row('TASK_LOGS_WORKFLOW_RETENTION_DAYS')).toEqual({
    name: 'TASK_LOGS_WORKFLOW_RETENTION_DAYS',
    group: 'Retention',
    value: 12,
    source: 'file',
    path,
  });
  expect(row('TASK_LOGS_DIR')).toMatchObject({ value: '/x/logs', source: 'flag', flag: '--dir' });
  expect(row('GITHUB_WEBHOOK_SECRET')).toMatchObject({ value: '(set)' });
  expect(row('GITHUB_TOKEN')).toMatchObject({ value: null, source: 'default' });
  expect(row('commands')).toMatchObject({ value: null, source: 'default' });
});

test('no secret of a command line, a URL or a key is printed', () => {
  const { cwd, put } = projectDir();
  const path = put('config.json', {
    agents: {
      a: { command: ['tool', '--token=hidden-1', '--api-key', 'hidden-2', 'https://h/?sig=hidden-3'] },
    },
  });
  const flags = {
    TASK_LOGS_DIR: cwd,
    TASK_LOGS_AGENT_COMMAND: 'tool --password hidden-4 -H "Authorization: hidden-5"',
    TASK_LOGS_KEY: 'hidden-6-hidden-6-hidden-6-hidden-6',
    REDIS_URL: 'redis://hidden-7:hidden-8@redis.test',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://hidden-9@otel.test:4318?token=hidden-10',
    TASK_LOGS_TRACE_URL: 'http://j.test/{trace_id}?access_token=hidden-11',
    GITHUB_API_URL: 'https://u:hidden-12@github.test/api',
  };
  let printed = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  try {
    for (const json of [false, true]) printConfig(flags, { path, json });
  } finally {
    spy.mockRestore();
  }
  expect(printed).toContain('otel.test:4318');
  expect(printed).not.toContain('hidden');
});
