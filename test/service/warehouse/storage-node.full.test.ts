import { cp } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { afterTest } from '../../support/current-test.ts';
import { tempDir } from '../../support/log-dir.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { findCluster, startVictoriaCluster, type VictoriaCluster } from '../../support/victoria-cluster.ts';

const tool = findCluster();

/** With it a sender has the rights of the trail, which are not looked up. */
const TOKEN = '0123456789abcdef';

/** Enough that both nodes have some: nginx gives each request to the next one. */
const TASKS = Array.from({ length: 8 }, (_, index) => `task-${index}`);

describe.skipIf('missing' in tool)('tasktrail serve --store over a cluster of two storage nodes', () => {
  let cluster: VictoriaCluster;
  let service: ServiceProcess;

  beforeAll(async () => {
    cluster = await startVictoriaCluster();
  });
  afterAll(() => cluster.stop());

  async function serve(): Promise<void> {
    service = await ServiceProcess.start({
      cwd: await tempDir(),
      args: ['serve', '--store', cluster.address],
      env: { TASK_LOGS_API_TOKEN: TOKEN },
    });
    afterTest(async () => {
      service.child.kill('SIGTERM');
      await service.exited;
    });
  }

  /** Each request is one task, on one of the nodes. */
  async function fill(prefix: string): Promise<readonly string[]> {
    const ids = TASKS.map((task) => `${prefix}-${task}`);
    for (const id of ids) expect(await send(service, id)).toBe(200);
    await cluster.flush();
    return ids;
  }

  test('reading goes on while a storage node is lost, marked as partial, and nothing is lost', async () => {
    await serve();
    const ids = await fill('one');
    const whole = await get(service, '/api/tasks?limit=500');
    expect(whole.partial).toBeNull();
    expect(idsIn(whole.body)).toEqual([...ids].sort());

    // On the disk, not in memory.
    await cluster.storage[0]?.kill('SIGTERM');
    const partial = await get(service, '/api/tasks?limit=500');
    expect([partial.status, partial.partial]).toEqual([200, 'true']);
    const left = idsIn(partial.body);
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(ids.length);
    expect(ids).toEqual(expect.arrayContaining([...left]));

    // Of a task that is there, and of one that is on the lost node: it is not known to be absent.
    const [there = ''] = left;
    const gone = ids.find((id) => !left.includes(id)) ?? '';
    const line = await get(service, `/api/tasks/${there}/logs/agent-output`);
    expect([line.status, line.partial, JSON.stringify(line.body)]).toEqual([
      200,
      'true',
      expect.stringContaining(`output of ${there}`),
    ]);
    for (const path of [`/api/tasks/${gone}`, `/api/tasks/${gone}/logs/agent-output`, '/api/tasks/never']) {
      const absent = await get(service, path);
      expect([path, absent.status, absent.body]).toMatchObject([
        path,
        503,
        { code: 'ERR_STORE_UNAVAILABLE' },
      ]);
    }
    const counted = await get(service, '/api/stats');
    expect([counted.status, counted.partial]).toEqual([200, 'true']);

    // Who needs all gets an error.
    const strict = await get(service, '/api/tasks', { prefer: 'respond-async, handling=strict' });
    expect([strict.status, strict.body]).toMatchObject([503, { code: 'ERR_STORE_UNAVAILABLE' }]);
    const health = await get(service, '/readyz');
    expect(health.body).toMatchObject({ notices: { store: expect.stringContaining('storage node') } });

    // Writes go to the other node.
    const more = await fill('two');
    expect(idsIn((await get(service, '/api/tasks?limit=500')).body)).toEqual([...left, ...more].sort());

    await cluster.storage[0]?.start();
    await until(async () => (await get(service, '/api/tasks')).partial === null, 'whole answers');
    const again = await get(service, '/api/tasks?limit=500');
    expect([again.partial, idsIn(again.body)]).toEqual([null, [...ids, ...more].sort()]);
    expect((await get(service, '/api/tasks/never')).status).toBe(404);
    expect((await get(service, '/readyz')).body).toMatchObject({ notices: {} });
  });

  test('with both nodes lost records are refused and reading answers 503; with them back the records are taken', async () => {
    await serve();
    const ids = await fill('three');
    for (const node of cluster.storage) await node.kill('SIGTERM');
    expect(await send(service, 'refused')).toBe(503);
    const answer = await get(service, '/api/tasks');
    expect([answer.status, answer.partial]).toEqual([503, null]);
    for (const node of cluster.storage) await node.start();
    await until(async () => (await send(service, 'refused')) === 200, 'the record to be taken');
    await cluster.flush();
    await until(async () => (await get(service, '/api/tasks')).partial === null, 'whole answers');
    const { body } = await get(service, '/api/tasks?limit=500');
    expect(idsIn(body)).toEqual(expect.arrayContaining(['refused', ...ids]));
  });

  test('a lost vlselect or nginx is no partial answer', async () => {
    await serve();
    await cluster.select.kill();
    const answer = await get(service, '/api/tasks');
    expect([answer.status, answer.partial]).toEqual([503, null]);
    // Records are taken: writes do not pass it.
    expect(await send(service, 'without-select')).toBe(200);
    await cluster.select.start();
    // SIGKILL would leave its workers at the port.
    await cluster.proxy.kill('SIGTERM');
    expect((await get(service, '/api/tasks')).status).toBe(503);
    expect(await send(service, 'without-proxy')).toBe(503);
    await cluster.proxy.start();
    await cluster.flush();
    await until(async () => (await get(service, '/api/tasks/without-select')).status === 200, 'the record');
  });

  test('a new storage node takes records once nginx and vlselect know it', async () => {
    await serve();
    const ids = await fill('four');
    const { address } = await cluster.start('vlstorage-3', []);
    // First who reads, then who writes: no answer lacks what is on the new node.
    const select = await cluster.start('vlselect-2', [
      `-storageNode=${[...cluster.nodes, address].join(',')}`,
      '-insert.disable',
    ]);
    await cluster.addNode(address, select.address);
    const rows = async (): Promise<number> => {
      await fetch(`http://${address}/internal/force_flush`);
      const query = new URLSearchParams({ query: '* | stats count() n' });
      const answer = await fetch(`http://${address}/select/logsql/query?${query}`);
      return Number(Reflect.get((await answer.json()) as object, 'n'));
    };
    const more: string[] = [];
    await until(async () => {
      more.push(...(await fill(`five-${more.length}`)));
      return (await rows()) > 0;
    }, 'rows on the new node');
    const { body, partial } = await get(service, '/api/tasks?limit=500');
    expect(partial).toBeNull();
    expect(idsIn(body)).toEqual(expect.arrayContaining([...ids, ...more]));
  });

  test('a storage node without space is passed over, and its records are read', async () => {
    await serve();
    const { address } = await cluster.start('full', ['-storage.minFreeDiskSpaceBytes=1TB']);
    const row = `${JSON.stringify({ _time: '0', _msg: 'refused', app: 'test' })}\n`;
    const headers = { 'content-type': 'application/stream+json' };
    const refused = await fetch(`http://${address}/insert/jsonline`, { method: 'POST', headers, body: row });
    expect(refused.status).toBe(429);
    const nodes = [...cluster.nodes, address].join(',');
    const select = await cluster.start('vlselect-3', [`-storageNode=${nodes}`, '-insert.disable']);
    await cluster.addNode(address, select.address);
    const ids = await fill('past-the-full-one');
    await until(async () => {
      const { body, partial } = await get(service, '/api/tasks?limit=500');
      return partial === null && ids.every((id) => idsIn(body).includes(id));
    }, 'all records');
  });

  test('a snapshot of a storage node, put into an empty one, has all of its records', async () => {
    await serve();
    await fill('kept');
    const [node = ''] = cluster.nodes;
    const made = await fetch(`http://${node}/internal/partition/snapshot/create`, { method: 'POST' });
    const snapshots = (await made.json()) as readonly string[];
    expect(snapshots.length).toBeGreaterThan(0);
    const directory = await tempDir();
    for (const snapshot of snapshots) {
      // .../partitions/<day>/snapshots/<name>
      const day = basename(dirname(dirname(snapshot)));
      expect(day).toMatch(/^\d{8}$/);
      await cp(snapshot, join(directory, 'partitions', day), { recursive: true });
    }
    const { address } = await cluster.start('restored', [`-storageDataPath=${directory}`]);
    const count = async (at: string): Promise<string> => {
      const query = new URLSearchParams({
        query: '{app="tasktrail"} | stats by (kind) count() n | sort by (kind)',
      });
      return (await fetch(`http://${at}/select/logsql/query?${query}`)).text();
    };
    expect(await count(node)).toContain('"kind":"output"');
    expect(await count(address)).toBe(await count(node));
    const removed = await Promise.all(
      snapshots.map((path) =>
        fetch(`http://${node}/internal/partition/snapshot/delete?${new URLSearchParams({ path })}`, {
          method: 'POST',
        }),
      ),
    );
    expect(removed.map(({ status }) => status)).toEqual(snapshots.map(() => 204));
  });

  test('a vlinsert answers 200 while no storage node is there, which is why writes do not pass one', async () => {
    const away = `-storageNode=127.0.0.1:1`;
    const { address } = await cluster.start('vlinsert', [away, '-select.disable']);
    const row = `${JSON.stringify({ _time: '0', _msg: 'lost', app: 'test' })}\n`;
    const headers = { 'content-type': 'application/stream+json' };
    const answer = await fetch(`http://${address}/insert/jsonline`, { method: 'POST', headers, body: row });
    expect(answer.status).toBe(200);
  });
});

function send(service: ServiceProcess, taskId: string): Promise<number> {
  const attributes = [{ key: 'tasktrail.task.id', value: { stringValue: taskId } }];
  const record = {
    ...{ timeUnixNano: `${Date.parse('2026-01-02T03:04:05Z')}000000`, attributes },
    ...{ eventName: 'tasktrail.agent.output', body: { stringValue: `output of ${taskId}` } },
  };
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
  return fetch(`${service.otlpUrl}/v1/logs`, { method: 'POST', headers, body }).then(({ status }) => status);
}

interface Got {
  readonly status: number;
  readonly partial: string | null;
  readonly body: unknown;
}

async function get(
  { stdout }: ServiceProcess,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Got> {
  const [, page = ''] = /page +(http:\S+)\//.exec(stdout) ?? [];
  const answer = await fetch(page + path, { headers: { authorization: `Bearer ${TOKEN}`, ...headers } });
  return {
    status: answer.status,
    partial: answer.headers.get('task-logs-partial'),
    body: await answer.json(),
  };
}

function idsIn(body: unknown): readonly string[] {
  const { items } = body as { readonly items: readonly { readonly task_id: string }[] };
  return items.map(({ task_id: id }) => id).sort();
}
