import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { afterTest } from '../../support/current-test.ts';
import { tempDir } from '../../support/log-dir.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { SseClient } from '../../support/sse.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

describe.skipIf('missing' in tool)('tasktrail serve --store', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  async function serve(store: string): Promise<ServiceProcess> {
    const service = await ServiceProcess.start({ cwd: await tempDir(), args: ['serve', '--store', store] });
    afterTest(async () => {
      service.child.kill('SIGTERM');
      await service.exited;
    });
    return service;
  }

  test('a record that one service has taken is read from another one, and both leave no file', async () => {
    const store = server.newTenant();
    const [one, other] = [await serve(store), await serve(store)];
    const sent = await send(one.otlpUrl, output('task-shared', 'hello from one'));
    expect(sent.status).toBe(200);
    await send(other.otlpUrl, output('task-shared', 'and from the other', 1));
    await until(async () => (await lines(other)).length === 2, 'both lines');
    for (const service of [one, other]) {
      expect(await lines(service)).toEqual(['hello from one', 'and from the other']);
      const list = (await (await fetch(`${pageOf(service)}/api/tasks`)).json()) as { items: unknown[] };
      expect(list.items).toMatchObject([
        { task_id: 'task-shared', status: 'running', opened_by: 'anonymous' },
      ]);
      expect((await fetch(`${pageOf(service)}/readyz`)).status).toBe(200);
      expect((await fetch(`${pageOf(service)}/`)).headers.get('content-type')).toContain('text/html');
      expect(await (await fetch(`${pageOf(service)}/metrics`)).text()).toContain('tasktrail_');
    }
  });

  test('a client whose service is killed goes on at another one, and gets each line once', async () => {
    const store = server.newTenant();
    const [one, other] = [await serve(store), await serve(store)];
    const path = '/api/tasks/task-moved/stream';
    const count = (clients: readonly SseClient[]): number =>
      clients.reduce((sum, client) => sum + client.of('line').length, 0);
    for (let second = 0; second < 3; second += 1)
      await send(one.otlpUrl, output('task-moved', `line ${second}`, second));
    await server.flush();
    const first = await SseClient.open(portOf(one), path);
    await until(() => count([first]) === 3, 'what is there');
    await send(other.otlpUrl, output('task-moved', 'line 3', 3));
    await until(() => count([first]) === 4, 'what comes');
    // Not seen by the client, and stored by the service that is killed.
    await send(one.otlpUrl, output('task-moved', 'line 4', 4));
    one.child.kill('SIGKILL');
    await until(() => first.isEnded, 'the end of the connection');
    const again = await SseClient.open(portOf(other), path, { 'Last-Event-ID': first.lastId });
    await send(other.otlpUrl, output('task-moved', 'line 4', 4));
    await send(other.otlpUrl, output('task-moved', 'line 5', 5));
    await until(() => count([first, again]) >= 6, 'all lines');
    const contents = [first, again].flatMap((client) => client.of('line').map(({ content }) => content));
    expect(contents.sort()).toEqual([0, 1, 2, 3, 4, 5].map((number) => `line ${number}`));
  });

  test('what is not built says so, with a status that is no success', async () => {
    const service = await serve(server.newTenant());
    const paths = ['/webhooks/github'];
    for (const path of paths) {
      const answer = await fetch(pageOf(service) + path);
      expect([path, answer.status, await answer.json()]).toMatchObject([
        path,
        503,
        { code: 'ERR_NOT_CONFIGURED' },
      ]);
    }
  });

  test('without a Redis tasks are neither taken nor cancelled, and the answer names the setting', async () => {
    const service = await serve(server.newTenant());
    expect(service.stdout).toContain('set REDIS_URL');
    const page = pageOf(service);
    const send = (path: string): Promise<Response> =>
      fetch(page + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"message":"go"}',
      });
    for (const path of ['/api/tasks', '/api/tasks/task-1/cancel', '/webhooks/github']) {
      const answer = await send(path);
      expect([path, answer.status, await answer.json()]).toMatchObject([
        path,
        503,
        { code: 'ERR_NOT_CONFIGURED', detail: expect.stringContaining('REDIS_URL') },
      ]);
    }
    const health = await (await fetch(`${page}/api/health`)).json();
    expect(health).toMatchObject({ status: 'ready', queue: null, disk: null });
  });

  test('while VictoriaLogs is away requests are answered 503, and the same request is taken when it is back', async () => {
    const service = await serve(server.newTenant());
    await server.kill();
    const refused = await send(service.otlpUrl, output('task-away', 'kept'));
    expect(refused.status).toBe(503);
    const read = await fetch(`${pageOf(service)}/api/tasks/task-away`);
    expect([read.status, await read.json()]).toMatchObject([503, { code: 'ERR_STORE_UNAVAILABLE' }]);
    const ready = await fetch(`${pageOf(service)}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { reasons: { store: /VictoriaLogs/ } }]);
    await server.start();
    expect((await send(service.otlpUrl, output('task-away', 'kept'))).status).toBe(200);
    await server.flush();
    expect(await lines(service, 'task-away')).toEqual(['kept']);
    expect((await fetch(`${pageOf(service)}/readyz`)).status).toBe(200);
  });

  test('the start is refused while VictoriaLogs cannot be reached, and names it', async () => {
    const service = new ServiceProcess({
      cwd: await tempDir(),
      args: ['serve', '--store', 'victorialogs://user:hunter2-secret@127.0.0.1:1'],
    });
    const { code } = await service.exited;
    expect(code).not.toBe(0);
    expect(service.stderr).toContain('TASK_LOGS_STORE_URL: VictoriaLogs at http://127.0.0.1:1');
    expect(service.stdout + service.stderr).not.toContain('hunter2');
  });

  test('start refuses a store that only serve has', async () => {
    const env = { TASK_LOGS_STORE_URL: server.address };
    const service = new ServiceProcess({ cwd: await tempDir(), env });
    expect((await service.exited).code).not.toBe(0);
    expect(service.stderr).toContain('tasktrail serve');
  });
});

function pageOf({ stdout }: ServiceProcess): string {
  return /page +(http:\S+)\//.exec(stdout)?.[1] ?? '';
}

function portOf(service: ServiceProcess): number {
  return Number(new URL(pageOf(service)).port);
}

async function lines(service: ServiceProcess, task = 'task-shared'): Promise<readonly string[]> {
  const answer = await fetch(`${pageOf(service)}/api/tasks/${task}/logs/agent-output`);
  if (!answer.ok) return [];
  return ((await answer.json()) as { content: string }[]).map(({ content }) => content);
}

function send(url: string, request: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/v1/logs`, { method: 'POST', headers, body: JSON.stringify(request) });
}

function output(taskId: string, body: string, second = 0): unknown {
  const timeUnixNano = `${Date.parse('2026-01-02T03:04:05Z') + second * 1_000}000000`;
  const attributes = [{ key: 'tasktrail.task.id', value: { stringValue: taskId } }];
  const record = {
    ...{ timeUnixNano, eventName: 'tasktrail.agent.output', attributes },
    body: { stringValue: body },
  };
  return { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] };
}
