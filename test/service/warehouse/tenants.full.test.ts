import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentTokenOf, trailTokenOf } from '../../../src/model/trail-token.ts';
import { tempDir } from '../../support/log-dir.ts';
import { type Env, ServiceProcess } from '../../support/service-process.ts';
import {
  type Answer,
  ask,
  bearer,
  EVENT_ID,
  get,
  MARKER,
  record,
  serveTenant,
  TASK,
  type TenantService,
  WORKFLOW,
} from '../../support/tenants.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

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

  test('an attacker with a token of one tenant gets nothing of another one, at any address', async () => {
    const [victim, attacker] = [await serveTenant(server, '7'), await serveTenant(server, '7:1')];
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
    const [victim, attacker] = [await serveTenant(server, '8'), await serveTenant(server, '9')];
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

  const token = { TASK_LOGS_API_TOKEN: 'token-of-tenant-9-0123456789' };
  const at = (query = ''): Env => ({ ...token, TASK_LOGS_STORE_URL: `${server.address}${query}` });

  test.each<[string, readonly string[], () => Env, string]>([
    [
      'an address of another tenant',
      ['serve'],
      () => ({ ...at('?tenant=8'), TASK_LOGS_TENANT: '9' }),
      'it names tenant 8, and TASK_LOGS_TENANT is 9',
    ],
    [
      'what is no tenant',
      ['serve'],
      () => ({ ...at(), TASK_LOGS_TENANT: '1:2:3' }),
      'TASK_LOGS_TENANT: use one or two numbers from 0 to 4294967295, such as 12 or 12:3 (it is "1:2:3")',
    ],
    [
      'an address whose tenant is none',
      ['serve'],
      () => at('?tenant=-1:0'),
      'TASK_LOGS_STORE_URL: its tenant is "-1:0": use one or two numbers',
    ],
    [
      'a tenant without a token',
      ['serve'],
      () => ({ ...at(), TASK_LOGS_API_TOKEN: '', TASK_LOGS_TENANT: '9' }),
      'TASK_LOGS_TENANT needs TASK_LOGS_API_TOKEN',
    ],
    [
      'a tenant of files',
      ['serve'],
      () => ({ ...token, TASK_LOGS_TENANT: '9', REDIS_URL: 'redis://127.0.0.1:1' }),
      'TASK_LOGS_TENANT is a tenant of a VictoriaLogs: set TASK_LOGS_STORE_URL',
    ],
    [
      'a word in place of an address',
      ['serve', '--store', 'files'],
      () => ({ ...token, TASK_LOGS_TENANT: '9' }),
      'use a URL such as victorialogs://127.0.0.1:9428',
    ],
    [
      'a tenant of a producer with webhooks',
      ['start'],
      () => ({ ...token, TASK_LOGS_TENANT: '9', TASK_LOGS_STORE: 'false' }),
      'TASK_LOGS_TENANT is for "tasktrail serve" over VictoriaLogs and for "tasktrail worker"',
    ],
  ])('%s stops the start, and the message says what to do', async (_what, args, env, message) => {
    const service = new ServiceProcess({ cwd: await tempDir(), args, env: env() });
    expect((await service.exited).code).toBe(2);
    expect(service.stderr).toContain(message);
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
