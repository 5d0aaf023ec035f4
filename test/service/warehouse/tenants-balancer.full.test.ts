import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../../serve/log-server.ts';
import { freeAddress } from '../../support/free-port.ts';
import { ServerProcess } from '../../support/server-process.ts';
import { SseClient } from '../../support/sse.ts';
import { bearer, serveTenant, type TenantService } from '../../support/tenants.ts';
import { findTool, pathOf } from '../../support/tool.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const nginx = findTool('nginx');
const tool = findVictoriaLogs();

const CONFIG = resolve(import.meta.dirname, '../../../collector/scale/tenants.conf');

const [RED, BLUE] = ['red.logs.example.com', 'blue.logs.example.com'];

describe.skipIf('missing' in nginx || 'missing' in tool)('tenants by host name behind one nginx', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  /** The file of the repository, with the addresses of these services. Returns its port. */
  async function balance(services: Readonly<Record<string, TenantService>>): Promise<number> {
    const directory = await mkdtemp(join(tmpdir(), 'tasktrail-tenants-'));
    // Started by root, nginx works as another user, who writes long bodies to files in it.
    await chmod(directory, 0o755);
    const address = await freeAddress();
    let text = readFileSync(CONFIG, 'utf8').replaceAll('listen 8000', `listen ${address}`);
    for (const [name, { page, service }] of Object.entries(services))
      text = text
        .replaceAll(`server ${name}:8000`, `server ${new URL(page).host}`)
        .replaceAll(`server ${name}:4320`, `server ${new URL(service.otlpUrl).host}`);
    const path = join(directory, 'nginx.conf');
    await writeFile(path, text.replaceAll('/tmp/', `${directory}/`));
    const started = await ServerProcess.start({
      ...{ name: 'tenants', command: pathOf(nginx), directory },
      args: ['-c', path, '-p', directory],
      isReady: async () => (await fetch(`http://${address}/`)).status === 404,
    });
    disposals.push(() => started.stop());
    return Number(address.split(':').at(-1));
  }
  const disposals: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const dispose of disposals) await dispose();
  });

  test('a name leads to the services of its tenant, whose token alone opens them', async () => {
    const [one, two, blue] = [
      await serveTenant(server, '41'),
      await serveTenant(server, '41'),
      await serveTenant(server, '42'),
    ];
    const port = await balance({ red: one, 'red-2': two, blue });
    const status = async (host: string, token: string, path = '/api/tasks'): Promise<number> =>
      (await ask(port, path, { headers: { host, ...bearer(token) } })).status;
    expect([await status(RED, one.token), await status(BLUE, blue.token)]).toEqual([200, 200]);
    expect([await status(RED, blue.token), await status(BLUE, one.token)]).toEqual([401, 401]);
    // No name, and what nginx would take for one.
    for (const host of ['logs.example.com', '127.0.0.1', `${RED}.evil.example`, `${RED}@${BLUE}`, ''])
      expect([host, [400, 404]]).toEqual([host, expect.arrayContaining([await status(host, one.token)])]);
    const send = async (host: string, token: string, id: string): Promise<number> => {
      const record = {
        ...{ timeUnixNano: `${Date.now()}000000`, eventName: 'tasktrail.task.input' },
        body: { kvlistValue: { values: [{ key: 'message', value: { stringValue: 'hello' } }] } },
        attributes: [{ key: 'tasktrail.task.id', value: { stringValue: id } }],
      };
      const headers = { host, 'content-type': 'application/json', ...bearer(token) };
      const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
      return (await ask(port, '/v1/logs', { method: 'POST', headers, body })).status;
    };
    const stream = await SseClient.open(port, '/api/stream', { host: RED, ...bearer(one.token) });
    expect([stream.status, await send(RED, blue.token, 'task-forged-1')]).toEqual([200, 401]);
    expect(await send(RED, one.token, 'task-red-1')).toBe(200);
    expect(await send(BLUE, blue.token, 'task-blue-1')).toBe(200);
    await until(() => stream.text.includes('task-red-1'), 'the task in the stream', 30_000);
    const read = async (host: string, token: string): Promise<string> =>
      (await ask(port, '/api/tasks', { headers: { host, ...bearer(token) } })).text;
    await until(
      async () => (await read(BLUE, blue.token)).includes('task-blue-1'),
      'the task of blue',
      30_000,
    );
    expect(await read(BLUE, blue.token)).not.toContain('task-red-1');
    expect(await read(RED, one.token)).not.toContain('task-blue-1');
    expect(stream.text).not.toContain('task-blue-1');
    // One of two services of a tenant is enough, and no other tenant's takes its place.
    await one.service.stop();
    for (let time = 0; time < 4; time += 1) expect(await status(RED, one.token)).toBe(200);
    await two.service.stop();
    expect([502, 504]).toContain(await status(RED, one.token));
    expect(await status(BLUE, blue.token)).toBe(200);
  }, 120_000);
});
