import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLines } from '../support/receiver.ts';
import {
  firstTaskId,
  processesWith,
  readDocument,
  resultOf,
  ServiceProcess,
} from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let logDir: string;
const services: ServiceProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-budget-'));
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env });
  services.push(service);
  return service;
}

/** One agent that runs this program, and a command for it. */
async function configure(source: string, ofAgent: object = {}, ofCommand: object = {}): Promise<void> {
  await writeFile(join(cwd, 'agent.mjs'), source);
  const agents = { fake: { command: [process.execPath, join(cwd, 'agent.mjs')], ...ofAgent } };
  const commands = { review: { agent: 'fake', ...ofCommand } };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents, commands }));
}

async function submit(service: ServiceProcess, more: object = {}): Promise<string> {
  return firstTaskId(await (await service.submit({ message: 'go', command: 'review', ...more })).json());
}

async function noticesOf(id: string): Promise<string[]> {
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  return lines.filter(({ budget }) => budget !== undefined).map(({ content }) => String(content));
}

async function apiOf(service: ServiceProcess, path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`${service.url}/api/${path}`)).json()) as Record<string, unknown>;
}

const PRINTS = `
const print = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
print({ type: 'system', subtype: 'init', session_id: 's', model: 'opus', uuid: 'u' });
`;

test('the smallest limit of agent, command and request ends the task, and all that it did is kept', async () => {
  const message = `{ type: 'assistant', session_id: 's', uuid: 'a', message: { id: 'm', model: 'opus',
    content: [{ type: 'text', text: 'half done' }], usage: { input_tokens: 500, output_tokens: 1 } } }`;
  await configure(
    `${PRINTS} print(${message}); setInterval(() => {}, 1000);`,
    { budget: { tokens: 400, seconds: 900 } },
    { budget: { tokens: 450 } },
  );
  const service = await start();
  // A request cannot raise what the configuration allows.
  const id = await submit(service, { budget: { tokens: 1_000_000, usd: 3 } });
  const result = await resultOf(logDir, id);
  expect(result).toMatchObject({
    success: false,
    status: 'failed',
    error_type: 'budget_exceeded',
    error: expect.stringContaining('budget exceeded: 501 of 400 tokens'),
    metrics: {
      ...{ input_tokens: 500, output_tokens: 1 },
      cost_basis: { source: 'stream', verdict: 'incomplete: the agent ended without its result line' },
    },
  });
  expect(await readDocument(logDir, id, 'metadata.json')).toMatchObject({
    attempt: 1,
    budget: { usd: 3, tokens: 400, seconds: 900 },
    budget_notice: { kind: 'tokens', used: 501, limit: 400, exceeded: true, attempt: 1 },
  });
  expect(await noticesOf(id)).toEqual(['the budget is used up, the agent is ended: 501 of 400 tokens']);
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  expect(lines.map(({ content }) => content)).toContain('half done');
  expect(await apiOf(service, `tasks/${id}`)).toMatchObject({
    cost_basis: { verdict: expect.stringMatching(/^incomplete: /) },
    activity: null,
  });
});

test('an adopted agent goes on being measured from its own start, and is noticed once', async () => {
  await configure(`console.log('begun'); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`, {
    budget: { seconds: 8 },
  });
  const service = await start();
  const id = await submit(service);
  await until(async () => (await noticesOf(id)).length === 1, 'the notice', 60_000);
  await service.dispose();
  await start();
  expect(await resultOf(logDir, id, 60_000)).toMatchObject({ error_type: 'budget_exceeded' });
  // Counted from the restart there would be a second notice.
  expect(await noticesOf(id)).toEqual([
    expect.stringMatching(/^\d+ % of the budget is used: /),
    expect.stringMatching(/^the budget is used up, the agent is ended: /),
  ]);
  expect(await processesWith(`TASK_LOGS_TASK_ID=${id}`)).toEqual([]);
}, 180_000);

test('dollars that only telemetry knows count once each, and those of a stranger do not', async () => {
  await configure(
    `
    import { existsSync } from 'node:fs';
    const { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_HEADERS: given = '', TASK_LOGS_TASK_ID: id } = process.env;
    const headers = Object.fromEntries(given.split(',').filter(Boolean).map((pair) => {
      const [name, ...value] = pair.split('=');
      return [name, decodeURIComponent(value.join('='))];
    }));
    const report = async (request, cost, hop) => {
      const attributes = Object.entries({ 'event.name': 'api_request', request_id: request, 'session.id': 's', hop })
        .map(([key, stringValue]) => ({ key, value: { stringValue } }));
      attributes.push({ key: 'cost_usd', value: { doubleValue: cost } }, { key: 'input_tokens', value: { intValue: 10 } });
      const record = { timeUnixNano: String(Date.now()) + '000000', body: { stringValue: 'claude_code.api_request' }, attributes };
      const resource = { attributes: [{ key: 'tasktrail.task.id', value: { stringValue: id } }] };
      const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ scope: {}, logRecords: [record] }] }] });
      await fetch(url + '/v1/logs', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body });
    };
    await report('r-1', 0.6, '1');
    await report('r-1', 0.6, '2');
    console.log('reported');
    const timer = setInterval(async () => {
      if (!existsSync(${JSON.stringify(join(tmpdir(), 'never'))} + id) && !existsSync('more')) return;
      clearInterval(timer);
      await report('r-2', 0.5, '1');
      setInterval(() => {}, 1000);
    }, 50);`,
    { budget: { usd: 1 }, dialect: 'text', cwd },
  );
  const service = await start();
  const id = await submit(service);
  await until(
    async () => (await readLines(join(logDir, id, '03-agent-output.jsonl'))).length >= 3,
    'both reports',
  );
  const attributes = [
    { key: 'event.name', value: { stringValue: 'api_request' } },
    { key: 'request_id', value: { stringValue: 'stranger' } },
    { key: 'cost_usd', value: { doubleValue: 500 } },
    { key: 'input_tokens', value: { intValue: 1 } },
    { key: 'tasktrail.task.id', value: { stringValue: id } },
  ];
  const record = { timeUnixNano: `${Date.now()}000000`, body: { stringValue: 'x' }, attributes };
  await fetch(`${service.otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ scope: {}, logRecords: [record] }] }] }),
  });
  // Two looks at least: what counts twice, or is the stranger's, would have ended it by then.
  for (let look = 0; look < 3; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await readDocument(logDir, id, 'metadata.json')).toMatchObject({ status: 'running' });
  }
  await writeFile(join(cwd, 'more'), '');
  const result = await resultOf(logDir, id, 60_000);
  expect(result).toMatchObject({
    error_type: 'budget_exceeded',
    error: expect.stringContaining('1.1 of 1 USD'),
    metrics: { cost_usd: 1.1, cost_basis: { source: 'telemetry' } },
  });
}, 120_000);

test('an invalid budget is refused with what to do', async () => {
  await configure('');
  const service = await start();
  for (const [budget, words] of [
    [{ usd: -1 }, 'budget.usd: use a number of US dollars above 0'],
    [{ usd: '2' }, 'budget.usd: use a number of US dollars above 0'],
    [{ usd: Number.NaN }, 'budget.usd: use a number of US dollars above 0'],
    [{ tokens: 1.5 }, 'budget.tokens: use a whole number of tokens above 0'],
    [{ seconds: 0 }, 'budget.seconds: use a number of seconds above 0'],
    [{}, 'budget: name at least one of usd, tokens and seconds'],
    [7, 'budget: use an object'],
    [{ dollars: 1 }, 'budget'],
  ] as const) {
    const response = await service.submit({ message: 'x', budget });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(words);
  }
  await configure('', { budget: { usd: 'a lot' } });
  await expect(start()).rejects.toThrow('agents.fake.budget.usd: use a number of US dollars above 0');
});

test('a running task says which tool it waits for, a waiting one its place in the queue', async () => {
  const call = `{ type: 'assistant', session_id: 's', uuid: 'a', message: { id: 'm', model: 'opus',
    content: [{ type: 'tool_use', id: 't-1', name: 'Bash', input: { command: 'sleep 100' } }] } }`;
  await configure(`${PRINTS} print(${call}); setInterval(() => {}, 1000);`);
  const service = await start({ TASK_LOGS_CONCURRENCY: '1' });
  const ids = [await submit(service), await submit(service), await submit(service)];
  const running = await until(async () => {
    const task = await apiOf(service, `tasks/${ids[0]}`);
    const activity = task.activity as { waits_for?: { kind?: string } } | null;
    return activity?.waits_for?.kind === 'tool' ? task : undefined;
  }, 'the tool');
  expect(running.activity).toEqual({
    heartbeat_age_seconds: expect.any(Number),
    last_line_age_seconds: expect.any(Number),
    waits_for: { kind: 'tool', name: 'Bash', tool_use_id: 't-1', since: expect.any(String) },
  });
  const { items } = (await apiOf(service, 'tasks')) as { items: { task_id: string; activity: unknown }[] };
  expect(items.map(({ activity }) => activity)).toEqual([
    { waits_for: { kind: 'queue', name: expect.any(String), place: 2, of: 2 } },
    { waits_for: { kind: 'queue', name: expect.any(String), place: 1, of: 2 } },
    expect.objectContaining({ waits_for: expect.objectContaining({ kind: 'tool', name: 'Bash' }) }),
  ]);
});
