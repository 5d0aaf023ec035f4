import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentTokenOf, leftRecordsTokenOf, trailTokenOf } from '../../../src/model/trail-token.ts';
import { SseClient } from '../../support/sse.ts';
import {
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

/** Stands in what the attacker records. */
const OWN = 'zq9own5attacker';

const UNKNOWN = 'task-unknown-to-all';

/** What VictoriaLogs itself takes: none of it may be passed on. */
const SPOOFED: Readonly<Record<string, string>> = {
  ...{ AccountID: '27', ProjectID: '0', 'X-Scope-OrgID': '27:0', tenant: '27' },
  ...{ 'VL-Extra-Fields': 'app=tasktrail', 'VL-Msg-Field': 'id', 'VL-Ignore-Fields': 'unit' },
};

/** Streams that name what the attacker knows, and those of everything. */
const NAMED = [`/api/tasks/${TASK}/stream`, `/api/workflows/${WORKFLOW}/stream`];
const WHOLE = [
  ...['/api/stream', '/api/events/stream', `/api/stream?task=${TASK}&list=true`],
  '/api/stream?q=status:running',
];

const TOOLS: readonly (readonly [name: string, args: object])[] = [
  ['search_tasks', {}],
  ['search_tasks', { q: MARKER }],
  ['search_tasks', { source: MARKER }],
  ['get_task', { task_id: TASK }],
  ['read_output', { task_id: TASK }],
  ['read_output', { task_id: TASK, event_id: EVENT_ID }],
  ['get_timeline', { task_id: TASK }],
  ['compare_attempts', { a: { task_id: TASK, attempt: 1 }, b: { task_id: TASK, attempt: 1 } }],
  ['list_deliveries', {}],
  ['cost_summary', { group_by: 'agent' }],
  ['health', {}],
];

const portOf = ({ page }: TenantService): number => Number(new URL(page).port);

async function callTool(at: TenantService, token: string, call: (typeof TOOLS)[number]): Promise<Response> {
  const [name, args] = call;
  return fetch(`${at.page}/mcp`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      ...{ ...bearer(token), ...SPOOFED },
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name, arguments: args } }),
  });
}

async function fullOf(tenant: TenantService): Promise<string> {
  return (await get(tenant, `/api/tasks/${TASK}/logs/full`)).text;
}

describe.skipIf('missing' in tool)('an attacker with the token of another tenant', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  /** The victim has recorded what the attacker is to look for. */
  async function pair(one: string, other: string): Promise<readonly [TenantService, TenantService]> {
    const [victim, attacker] = [await serveTenant(server, one), await serveTenant(server, other)];
    expect(await record(victim, victim.token)).toBe(200);
    await server.flush();
    await until(async () => (await fullOf(victim)).includes(MARKER), 'the task');
    return [victim, attacker];
  }

  test('gets nothing in any stream, also behind places that the other tenant has given', async () => {
    const [victim, attacker] = await pair('27', '27:1');
    const open = (
      at: TenantService,
      path: string,
      headers: Record<string, string> = {},
    ): Promise<SseClient> => SseClient.open(portOf(at), path, { ...bearer(at.token), ...headers });
    const places: string[] = [];
    for (const path of [...NAMED, ...WHOLE]) {
      const theirs = await open(victim, path);
      await until(() => theirs.text.includes(MARKER), `the marker in ${path} of its owner`);
      places.push(theirs.lastId);
      theirs.close();
      const foreign = await SseClient.open(portOf(victim), path, { ...bearer(attacker.token), ...SPOOFED });
      await until(() => foreign.isEnded, 'the end');
      expect([path, foreign.status, foreign.text]).toEqual([path, 401, expect.not.stringContaining(MARKER)]);
    }
    expect(places.filter((id) => id !== '')).toHaveLength(NAMED.length + WHOLE.length);
    for (const path of NAMED) {
      const [own, unknown] = [
        await open(attacker, path, SPOOFED),
        await open(attacker, path.replace(/task-known-to-all|workflow-7/, UNKNOWN)),
      ];
      await until(() => own.isEnded && unknown.isEnded, 'both ends');
      expect([path, own.status]).toEqual([path, unknown.status]);
      expect(own.text).not.toContain(MARKER);
    }
    // Now with a task and a workflow of the same ids, so that every stream opens, also behind the places of the other tenant.
    expect(await record(attacker, attacker.token, OWN)).toBe(200);
    await server.flush();
    await until(async () => (await fullOf(attacker)).includes(OWN), 'its own');
    const streams: SseClient[] = [];
    for (const path of [...NAMED, ...WHOLE])
      for (const id of ['', ...places])
        streams.push(await open(attacker, path, { ...SPOOFED, ...(id !== '' && { 'last-event-id': id }) }));
    const opened = streams.filter(({ status }) => status === 200);
    // A place of another stream is refused.
    expect(opened.length).toBeGreaterThanOrEqual(NAMED.length + WHOLE.length);
    expect(await record(victim, victim.token, `${MARKER} more`)).toBe(200);
    expect(await record(attacker, attacker.token, `${OWN} more`)).toBe(200);
    await until(
      () => opened.filter(({ text }) => text.includes(`${OWN} more`)).length >= NAMED.length + WHOLE.length,
      'what comes, in the streams of the attacker',
      30_000,
    );
    for (const stream of streams) expect(stream.text).not.toContain(MARKER);
  }, 120_000);

  test('gets nothing from the feed, whatever the place in it', async () => {
    const [victim, attacker] = await pair('28', '28:1');
    const feed = JSON.parse((await get(victim, '/api/events')).text) as {
      items: { event_id?: string }[];
      next_cursor: string | null;
    };
    expect(JSON.stringify(feed)).toContain(MARKER);
    const { next_cursor: cursor } = feed;
    for (const after of [cursor, feed.items[0]?.event_id, EVENT_ID, '0', '*', '" or *']) {
      const answer = await ask(
        attacker,
        'GET',
        `/api/events?after=${encodeURIComponent(String(after))}`,
        SPOOFED,
      );
      expect([200, 400, 410]).toContain(answer.status);
      expect(answer.text).not.toContain(MARKER);
    }
  });

  test('gets nothing from a tool of MCP', async () => {
    const [victim, attacker] = await pair('29', '29:1');
    let told = 0;
    for (const call of TOOLS) {
      const theirs = await (await callTool(victim, victim.token, call)).text();
      expect([call, theirs]).toEqual([call, expect.stringContaining('"result"')]);
      if (theirs.includes(MARKER)) told += 1;
      const own = await callTool(attacker, attacker.token, call);
      // What was asked for may be repeated in the answer.
      const text = (await own.text()).replaceAll(`"q":"${MARKER}"`, '');
      if (!JSON.stringify(call).includes(MARKER))
        expect([call, text]).toEqual([call, expect.not.stringContaining(MARKER)]);
      else expect([call, text]).toEqual([call, expect.not.stringContaining(TASK)]);
      for (const token of [attacker.token, trailTokenOf(victim.key), agentTokenOf(victim.key, TASK)]) {
        const foreign = await callTool(victim, token, call);
        expect([foreign.status, await foreign.text()]).toEqual([401, expect.not.stringContaining(MARKER)]);
      }
    }
    expect(told).toBeGreaterThan(5);
  }, 60_000);

  test('stores nothing at the other tenant, with any token that it can make, at any of the doors', async () => {
    const [victim, attacker] = await pair('30', '30:1');
    const before = await fullOf(victim);
    const tokens = [
      ...[attacker.token, attacker.key, trailTokenOf(attacker.key), agentTokenOf(attacker.key, TASK)],
      ...[leftRecordsTokenOf(attacker.key, TASK), agentTokenOf(attacker.token, TASK), trailTokenOf('')],
    ];
    const span = {
      ...{ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', name: OWN },
      ...{ startTimeUnixNano: '1767323045000000000', endTimeUnixNano: '1767323046000000000' },
      attributes: [{ key: 'tasktrail.task.id', value: { stringValue: TASK } }],
    };
    const bodies = {
      logs: { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: OWN } }] }] }] },
      traces: { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] },
      metrics: { resourceMetrics: [] },
    };
    const credentials = [
      ...tokens.map(bearer),
      ...tokens.map((token) => ({ authorization: `Basic ${btoa(`x:${token}`)}` })),
      {},
    ];
    for (const [door, body] of Object.entries(bodies))
      for (const headers of credentials) {
        const answer = await fetch(`${victim.service.otlpUrl}/v1/${door}?AccountID=30&tenant=30`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...SPOOFED, ...headers },
          body: JSON.stringify(body),
        });
        expect([door, headers, answer.status]).toEqual([door, headers, 401]);
      }
    // None of them is a token of REST either; nor is one that an agent of the victim has.
    for (const token of [...tokens, trailTokenOf(victim.key), agentTokenOf(victim.key, TASK)])
      expect((await fetch(`${victim.page}/api/tasks/${TASK}`, { headers: bearer(token) })).status).toBe(401);
    await server.flush();
    expect(await fullOf(victim)).toBe(before);
  }, 60_000);

  test('stores at its own door in its own tenant, whatever names another one', async () => {
    const [victim, attacker] = await pair('31', '31:1');
    const before = await fullOf(victim);
    const list = async (): Promise<string> =>
      (await get(victim, '/api/tasks')).text.replaceAll(/(_age_seconds":)[\d.]+/g, '$1');
    const listBefore = await list();
    const row = JSON.stringify({
      ...{ app: 'tasktrail', kind: 'output', shard: '00', unit: TASK, id: 'aa', sender: 'trail', at: '1' },
      ...{ part: '0', parts: '1', bytes: '2', _msg: `{"content":"${OWN}"}`, AccountID: '31', ProjectID: '0' },
    });
    // As attributes, as text, and as rows of VictoriaLogs within a text.
    const names = [
      ...['tenant', 'AccountID', 'ProjectID', '_msg', '_time', '_stream', '_stream_fields', 'app', 'kind'],
      ...['shard', 'unit', 'id', 'sender', 'at', 'part', 'run', 'seq', 'service.namespace'],
    ];
    const attributes = [
      { key: 'tasktrail.task.id', value: { stringValue: TASK } },
      { key: 'tasktrail.agent.output.type', value: { stringValue: 'output' } },
      ...names.map((key) => ({ key, value: { stringValue: '31:0' } })),
    ];
    const logRecords = [OWN, `${OWN}\n${row}\n`, row, `"}\n${row}\n{"_msg":"`].map((text) => ({
      ...{ timeUnixNano: `${Date.now()}000000`, eventName: 'tasktrail.agent.output', attributes },
      body: { stringValue: text },
    }));
    const resource = { attributes };
    for (const headers of [{}, SPOOFED])
      for (const query of [
        '',
        '?AccountID=31&ProjectID=0&tenant=31&_stream_fields=unit&extra_fields=unit=x',
      ]) {
        const answer = await fetch(`${attacker.service.otlpUrl}/v1/logs${query}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers, ...bearer(attacker.token) },
          body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
        });
        expect(answer.status).toBe(200);
      }
    await server.flush();
    await until(async () => (await fullOf(attacker)).includes(OWN), 'its own');
    expect(await fullOf(victim)).toBe(before);
    expect(await list()).toBe(listBefore);
    // VictoriaLogs itself has none of it at the victim's, or where no tenant is named.
    for (const headers of [{ AccountID: '31', ProjectID: '0' }, {}]) {
      const body = new URLSearchParams({ query: `"${OWN}" or AccountID:* or tenant:*`, limit: '10' });
      const found = await fetch(`${server.url}/select/logsql/query`, { method: 'POST', headers, body });
      expect([found.status, await found.text()]).toEqual([200, '']);
    }
  }, 60_000);

  test('has a login of its own: its cookie opens no page and no address of the other one, on another port', async () => {
    const [victim, attacker] = await pair('32', '32:1');
    const logIn = async ({ page }: TenantService, token: string): Promise<Response> =>
      fetch(`${page}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: page },
        body: JSON.stringify({ token }),
      });
    const [theirs, own] = [await logIn(victim, victim.token), await logIn(attacker, attacker.token)];
    expect([theirs.status, own.status]).toEqual([200, 200]);
    expect((await logIn(victim, attacker.token)).status).toBe(401);
    const cookieOf = (answer: Response): string =>
      (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    const [victims, attackers] = [cookieOf(theirs), cookieOf(own)];
    const { page_key: key } = (await own.json()) as { page_key: string };
    // A browser sends both to both.
    const [name] = victims.split('=');
    const [, value] = attackers.split('=');
    expect(attackers.split('=')[0]).not.toBe(name);
    const paths = [
      `/api/tasks/${TASK}`,
      `/api/tasks/${TASK}/logs/full`,
      '/api/stream',
      `/tasks/${TASK}/export`,
    ];
    const see = (cookie: string, path: string): Promise<Response> =>
      fetch(victim.page + path, { headers: { cookie, 'sec-fetch-site': 'same-origin', ...SPOOFED } });
    expect(await (await see(victims, `/api/tasks/${TASK}/logs/full`)).text()).toContain(MARKER);
    expect(await (await see(victims, `/tasks/${TASK}/export`)).text()).toContain(MARKER);
    for (const cookie of [attackers, `${name}=${value}`, `${name}=${key}`, `${name}=`, ''])
      for (const path of paths) {
        const answer = await see(cookie, path);
        expect([cookie, path, answer.status]).toEqual([cookie, path, 401]);
        expect(await answer.text()).not.toContain(MARKER);
      }
    const cancel = await fetch(`${victim.page}/api/tasks/${TASK}/cancel`, {
      method: 'POST',
      headers: {
        ...{ cookie: victims, 'tasktrail-page-key': key, 'content-type': 'application/json' },
        ...{ origin: victim.page, 'sec-fetch-site': 'same-origin' },
      },
    });
    expect(cancel.status).toBe(401);
    const exported = await ask(attacker, 'GET', `/tasks/${TASK}/export`, SPOOFED);
    const unknown = await ask(attacker, 'GET', `/tasks/${UNKNOWN}/export`, SPOOFED);
    expect([exported.status, exported.text.replaceAll(TASK, UNKNOWN)]).toEqual([404, unknown.text]);
  }, 60_000);

  test('learns nothing from what needs no token', async () => {
    const [victim, attacker] = await pair('33', '33:1');
    for (const path of [
      '/metrics',
      '/readyz',
      '/healthz',
      '/livez',
      '/',
      `/tasks/${TASK}`,
      '/api/openapi.json',
    ]) {
      for (const headers of [{}, SPOOFED, bearer(attacker.token)]) {
        const text = await (await fetch(victim.page + path, { headers })).text();
        for (const secret of [MARKER, TASK, WORKFLOW, victim.token, victim.key])
          if (!path.includes(secret))
            expect([path, text]).toEqual([path, expect.not.stringContaining(secret)]);
      }
    }
    const [own, theirs] = [await get(attacker, '/metrics'), await get(victim, '/metrics')];
    expect(own.text).not.toBe(theirs.text);
  });
});
