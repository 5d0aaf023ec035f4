import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentTokenOf, trailTokenOf } from '../../../src/model/trail-token.ts';
import { afterTest } from '../../support/current-test.ts';
import { tempDir } from '../../support/log-dir.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

/** Stands in all that the victim has recorded, and in nothing that the attacker knows. */
const MARKER = 'zq9marker7victim';

/** Known to the attacker. */
const TASK = 'task-known-to-all';
const WORKFLOW = 'workflow-7-20260102T030405Z-abcd';
const EVENT_ID = '01KDY000000000000000000001';

interface TenantService {
  readonly service: ServiceProcess;
  readonly token: string;
  readonly key: string;
  readonly page: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { parameters?: Parameter[] }>>>>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
}

describe.skipIf('missing' in tool)('two tenants of one VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  async function serve(tenant: string): Promise<TenantService> {
    const token = `token-of-tenant-${tenant.replace(':', '-')}-0123456789`;
    const key = Buffer.from(tenant.padEnd(32, 'k')).toString('hex');
    const env = {
      TASK_LOGS_STORE_URL: server.address,
      ...{ TASK_LOGS_TENANT: tenant, TASK_LOGS_API_TOKEN: token, TASK_LOGS_KEY: key },
    };
    const service = await ServiceProcess.start({ cwd: await tempDir(), args: ['serve'], env });
    afterTest(async () => {
      service.child.kill('SIGTERM');
      await service.exited;
    });
    return { service, token, key, page: /page +(http:\S+)\//.exec(service.stdout)?.[1] ?? '' };
  }

  test('an attacker with a token of one tenant gets nothing of another one, at any address', async () => {
    const [victim, attacker] = [await serve('7'), await serve('7:1')];
    expect(await record(victim, victim.token)).toBe(200);
    await server.flush();
    // The victim has it: else nothing would be proved.
    await until(
      async () => (await get(victim, `/api/tasks/${TASK}/logs/full`)).text.includes(MARKER),
      'the task',
    );
    expect((await get(victim, `/api/workflows/${WORKFLOW}`)).text).toContain(MARKER);
    expect((await get(victim, '/api/webhooks')).text).toContain(MARKER);
    const document = JSON.parse((await get(attacker, '/api/openapi.json')).text) as OpenApi;
    const addresses = addressesOf(document);
    expect(addresses.length).toBeGreaterThan(20);
    let told = 0;
    for (const { method, path, isNamed } of addresses) {
      if (method === 'GET' && (await get(victim, path)).text.includes(MARKER)) told += 1;
      for (const headers of [{}, { AccountID: '7', ProjectID: '0' }]) {
        const own = await ask(attacker, method, path, headers);
        expect([path, own.text]).toEqual([path, expect.not.stringContaining(MARKER)]);
        // What is not there and what is another's answer alike. A list does not have it either.
        if (isNamed) {
          const unknown = await ask(attacker, method, path.replaceAll(TASK, 'task-unknown-to-all'), headers);
          expect([path, alike(own)]).toEqual([path, alike(unknown)]);
        } else expect([path, own.text]).toEqual([path, expect.not.stringContaining(TASK)]);
      }
      const foreign = await fetch(victim.page + path, { method, headers: bearer(attacker.token) });
      const text = await foreign.text();
      expect([path, text]).toEqual([path, expect.not.stringContaining(MARKER)]);
      // Health says nothing of records, and senders of webhooks sign.
      if (!/openapi|health|readyz|livez|^\/metrics|^\/webhooks\//.test(path))
        expect([path, foreign.status]).toEqual([path, 401]);
    }
    // Addresses that give the marker to its owner.
    expect(told).toBeGreaterThan(10);
    for (const path of ['/metrics', '/readyz', '/healthz', '/', `/tasks/${TASK}`]) {
      expect((await get(attacker, path)).text).not.toContain(MARKER);
      const foreign = await fetch(victim.page + path, { headers: bearer(attacker.token) });
      expect(await foreign.text()).not.toContain(MARKER);
    }
  });

  test('what an attacker sends about the tasks of another tenant stays in its own', async () => {
    const [victim, attacker] = [await serve('8'), await serve('9')];
    await record(victim, victim.token);
    await server.flush();
    const before = await waitFor(victim);
    const forged = [
      attacker.token,
      trailTokenOf(attacker.key),
      agentTokenOf(attacker.key, TASK),
      agentTokenOf('', TASK),
      '',
    ];
    for (const token of forged) expect(await record(victim, token, 'forged')).toBe(401);
    expect(await record(attacker, attacker.token, 'forged')).toBe(200);
    const pages = ['POST', 'DELETE', 'PUT', 'PATCH'].map((method) =>
      fetch(`${victim.page}/api/tasks/${TASK}`, { method, headers: bearer(attacker.token) }),
    );
    for (const page of await Promise.all(pages)) expect([401, 404, 405, 503]).toContain(page.status);
    await server.flush();
    await until(
      async () => (await get(attacker, `/api/tasks/${TASK}/logs/full`)).text.includes('forged'),
      'its own',
    );
    expect((await get(victim, `/api/tasks/${TASK}/logs/full`)).text).toBe(before);
    expect((await get(attacker, `/api/tasks/${TASK}/logs/full`)).text).not.toContain(MARKER);
  });

  test('an address of another tenant than the setting stops the start', async () => {
    const env = {
      TASK_LOGS_STORE_URL: `${server.address}?tenant=8`,
      ...{ TASK_LOGS_TENANT: '9', TASK_LOGS_API_TOKEN: 'token-of-tenant-9-0123456789' },
    };
    const service = new ServiceProcess({ cwd: await tempDir(), args: ['serve'], env });
    expect((await service.exited).code).toBe(2);
    expect(service.stderr).toContain('it names tenant 8, and TASK_LOGS_TENANT is 9');
  });
});

async function waitFor(victim: TenantService): Promise<string> {
  const path = `/api/tasks/${TASK}/logs/full`;
  await until(async () => (await get(victim, path)).text.includes(MARKER), 'the task');
  return (await get(victim, path)).text;
}

/** Every address of the document with what the attacker knows in each of its parameters. */
function addressesOf({ paths }: OpenApi): readonly { method: string; path: string; isNamed: boolean }[] {
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => /^(?:get|head|post|delete|put|patch)$/.test(method))
        .flatMap(([method, { parameters = [] }]) => {
          const given = path.replace(/\{workflow[^}]*\}/gi, WORKFLOW).replace(/\{[^}]*\}/g, TASK);
          const queries = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
          const values = (name: string): string[] =>
            [TASK, MARKER, WORKFLOW, EVENT_ID, '*', '"} or {"'].map(
              (value) => `?${name}=${encodeURIComponent(value)}`,
            );
          // Streams do not end.
          if (given.includes('stream')) return [];
          return ['', ...queries.flatMap(values)].map((query) => ({
            method: method.toUpperCase(),
            path: given + query,
            isNamed: (given + query).includes(TASK),
          }));
        }),
    )
    .filter(({ path }) => !path.includes(MARKER) || !path.includes('?'));
}

function alike({ status, text }: Answer): string {
  return `${status} ${text.replaceAll(TASK, 'id').replaceAll('task-unknown-to-all', 'id')}`;
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

async function get(tenant: TenantService, path: string): Promise<Answer> {
  return ask(tenant, 'GET', path);
}

async function ask(
  { page, token }: TenantService,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(page + path, { method, headers: { ...bearer(token), ...headers } });
  return { status: answer.status, text: await answer.text() };
}

/** Records a task, a workflow and a delivery with the marker in all of their texts. */
async function record({ service }: TenantService, token: string, text = MARKER): Promise<number> {
  const timeUnixNano = `${Date.now()}000000`;
  const one = (eventName: string, attributes: Record<string, string>, body: unknown): unknown => ({
    ...{ timeUnixNano, eventName, body: anyValue(body) },
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
  });
  const task = { 'tasktrail.task.id': TASK };
  const workflow = { 'tasktrail.workflow.id': WORKFLOW, 'tasktrail.project': text };
  const delivery = {
    'tasktrail.webhook.provider': 'github',
    ...{ 'tasktrail.webhook.delivery_id': text, 'tasktrail.event.id': EVENT_ID },
  };
  const logRecords = [
    one('tasktrail.task.metadata', task, { source: text, status: 'running', assigned_agent: text }),
    one('tasktrail.task.input', task, { message: text }),
    one('tasktrail.agent.output', { ...task, 'tasktrail.agent.output.type': 'output' }, text),
    one('tasktrail.workflow_start', workflow, { work_item_id: text }),
    one('tasktrail.webhook.delivery', delivery, {
      event_type: text,
      outcome: 'unmatched',
      reason: text,
      task_ids: [],
    }),
  ];
  const answer = await fetch(`${service.otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== '' && bearer(token)) },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  return answer.status;
}

function anyValue(value: unknown): unknown {
  if (typeof value === 'string') return { stringValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  const values = Object.entries(value as object).map(([key, one]) => ({ key, value: anyValue(one) }));
  return { kvlistValue: { values } };
}
