import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { readLines } from '../support/receiver.ts';
import { rotated } from '../support/rotated.ts';
import { firstTaskId, processesWith, resultOf, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let logDir: string;
const services: ServiceProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-agent-environment-'));
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

interface Setup {
  readonly agent: Readonly<Record<string, unknown>>;
  readonly more?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

async function start({ agent, more = {}, env = {} }: Setup): Promise<ServiceProcess> {
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents: { own: agent }, ...more }));
  const service = await ServiceProcess.start({ cwd, env });
  services.push(service);
  return service;
}

async function submit(service: ServiceProcess, headers: Record<string, string> = {}): Promise<string> {
  return firstTaskId(await (await service.submit({ message: 'm' }, headers)).json());
}

/** A secret that no rule of redaction knows. */
const planted = (name: string): string => `planted${name.toLowerCase().replaceAll(/[^a-z]/g, '')}q7w3`;

const SECRET_ENV: Readonly<Record<string, string>> = {
  TASK_LOGS_API_TOKEN: planted('api-token'),
  TASK_LOGS_KEY: planted('key-of-the-directory-and-longer'),
  GITHUB_WEBHOOK_SECRET: `${planted('github-one')},${planted('github-two')}`,
  JIRA_WEBHOOK_SECRET: planted('jira-webhook'),
  SLACK_SIGNING_SECRET: planted('slack-signing'),
  REDIS_PASSWORD: planted('redis-other'),
  GITHUB_TOKEN: planted('github-token'),
  AWS_ACCESS_KEY_ID: planted('aws-id'),
  AWS_SECRET_ACCESS_KEY: planted('aws-secret'),
  AWS_SESSION_TOKEN: planted('aws-session'),
  DATABASE_URL: `postgres://user:${planted('database')}@host/db`,
  ANTHROPIC_API_KEY: planted('anthropic'),
  OTEL_EXPORTER_OTLP_HEADERS: `x-key=${planted('otel-header')}`,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: `x-key=${planted('otel-traces-header')}`,
  HTTPS_PROXY: `http://user:${planted('proxy')}@proxy.example:3128`,
  http_proxy: `user:${planted('lower-proxy')}/@proxy.example:3128`,
  SOMETHING: planted('no-name'),
};

const INSIDE: Readonly<Record<string, string>> = {
  LANG: `C.UTF-8.${planted('api-token')}`,
  TERM: encodeURIComponent(`x ${planted('github-two')}`),
  GIT_AUTHOR_NAME: Buffer.from(`user:${planted('github-token')}`).toString('base64'),
  LC_SECRET: planted('locale'),
  OTEL_RESOURCE_ATTRIBUTES: `team=checkout,access.token=${planted('attribute')},k=${planted('api-token')}`,
};

test('an agent that prints its environment prints no secret of the service, in whichever variable it stands', async () => {
  const custom = planted('custom-webhook');
  const service = await start({
    // Each letter as the one 13 places on, because the service masks secrets, also in hexadecimal digits.
    agent: {
      command: ['sh', '-c', 'cat /proc/self/environ | tr "\\\\0A-Za-z" "\\\\nN-ZA-Mn-za-m"'],
      env: ['SOMETHING_OF_MINE', 'WRONGLY_NAMED', 'SLACK_SIGNING_SECRET'],
    },
    more: { webhooks: { door: { secret: custom, header: 'X-Sig', message: 'text' } } },
    env: {
      ...SECRET_ENV,
      ...INSIDE,
      SOMETHING_OF_MINE: 'handed over',
      WRONGLY_NAMED: `prefix ${planted('slack-signing')} suffix`,
      OTHER_NAME: custom,
    },
  });
  const id = await submit(service, { authorization: `Bearer ${SECRET_ENV.TASK_LOGS_API_TOKEN}` });
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  const output = lines.map(({ content }) => String(content)).join('');
  const env = new Map(
    rotated(output)
      .split('\n')
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
  const decoded = [...env]
    .map(([name, value]) => `${name}=${value}\n${Buffer.from(value, 'base64')}`)
    .join('\n');
  expect(decoded).not.toMatch(/planted/i);
  expect(Object.fromEntries(env)).toMatchObject({
    SOMETHING_OF_MINE: 'handed over',
    HTTPS_PROXY: 'http://proxy.example:3128',
    http_proxy: 'proxy.example:3128',
    TASK_LOGS_TASK_ID: id,
    TASK_LOGS_STORE: 'false',
  });
  expect(env.get('OTEL_RESOURCE_ATTRIBUTES')).toMatch(/^team=checkout,tasktrail\.task\.id=/);
  expect(env.get('OTEL_EXPORTER_OTLP_HEADERS')).toMatch(
    new RegExp(`^Authorization=Bearer%20agent\\.${id}\\.`),
  );
  expect(service.stdout).toContain('WRONGLY_NAMED is not handed to the agent own: it holds a secret');
  expect(service.stdout).toContain('SLACK_SIGNING_SECRET is not handed to the agent own');
});

test('what an agent`s commands record goes to its own task, also when the service was killed in between', async () => {
  const emit = `${process.execPath} ${MAIN} emit`;
  const script = [
    'while [ ! -e go ]; do sleep 0.05; done',
    `${emit} workflow_start w-of-agent '{}' && ${emit} workflow_complete w-of-agent '{"status":"success"}'`,
    'echo emitted > done',
    'while [ ! -e end ]; do sleep 0.05; done',
    'ls -d "$TASK_LOGS_DIR"',
  ].join('\n');
  const setup: Setup = { agent: { command: ['sh', '-c', script] } };
  const first = await start(setup);
  const id = await submit(first);
  await until(async () => (await processesWith(`TASK_LOGS_TASK_ID=${id}`)).length > 1, 'the agent');
  await first.dispose();
  // Nothing listens: the events wait in the agent's own folder.
  await writeFile(join(cwd, 'go'), '');
  await until(async () => readFile(join(cwd, 'done')).catch(() => undefined), 'the events');
  expect(await eventsOf('w-of-agent')).toEqual([]);
  await start(setup);
  await writeFile(join(cwd, 'end'), '');
  expect(await resultOf(logDir, id)).toMatchObject({ success: true });
  await until(async () => (await eventsOf('w-of-agent')).length >= 2, 'the events to be stored');
  expect(await eventsOf('w-of-agent')).toEqual([
    ['workflow_start', id],
    ['workflow_complete', id],
  ]);
  const output = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  expect(output.map(({ content }) => content).join('')).toMatch(new RegExp(`/_agent/${id}/.*/log\n$`));
  await until(
    async () => (await readdir(join(logDir, '_agent'))).length === 0,
    'the folder of the run to go',
  );
}, 120_000);

test('what an agent records about another task or its workflow is refused, its own is stored', async () => {
  const emit = `${process.execPath} ${MAIN} emit`;
  const service = await start({
    agent: { command: ['sh', '-c', 'cat > script; . ./script'], cwd },
    env: { TASK_LOGS_CONCURRENCY: '1' },
  });
  const say = async (script: string): Promise<string> =>
    firstTaskId(await (await service.submit({ message: script })).json());
  const victim = await say(`${emit} workflow_start w-victim '{}'`);
  expect(await resultOf(logDir, victim)).toMatchObject({ success: true });
  await until(async () => (await eventsOf('w-victim')).length === 1, 'the event of the first task');
  const other = await say(
    [
      `${emit} workflow_complete w-victim '{"status":"failure"}'`,
      `${emit} workflow_complete w-victim '{"status":"failure"}' --task ${victim}`,
      `${emit} workflow_start w-forged '{}' --task ${victim}`,
      `${emit} workflow_start w-own '{}'`,
    ].join('\n'),
  );
  expect(await resultOf(logDir, other)).toMatchObject({ success: true });
  await until(async () => (await eventsOf('w-own')).length === 1, 'the event of the other task');
  expect(await eventsOf('w-own')).toEqual([['workflow_start', other]]);
  expect(await eventsOf('w-victim')).toEqual([['workflow_start', victim]]);
  expect(await eventsOf('w-forged')).toEqual([]);
}, 60_000);

async function eventsOf(workflowId: string): Promise<(readonly [unknown, unknown])[]> {
  const files = await readdir(join(logDir, '_workflow'), { recursive: true }).catch(() => []);
  const file = files.find((name) => name.endsWith(`${workflowId}.jsonl`));
  if (file === undefined) return [];
  const lines = await readLines(join(logDir, '_workflow', file)).catch(() => []);
  return lines.map(({ event_type, task_id }) => [event_type, task_id] as const);
}
