import { mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Books } from '../../../src/books.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { serveLogs } from '../../../src/serve/logs.ts';
import { openWarehouseIndex } from '../../../src/trail/search/warehouse-index.ts';
import { warehouseReader } from '../../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../../src/warehouse/client.ts';
import { RowSink } from '../../../src/warehouse/write/row-sink.ts';
import { ask, listen } from '../../serve/log-server.ts';
import { built } from '../../support/built.ts';
import { afterTest } from '../../support/current-test.ts';
import { log } from '../../support/records.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();
const entry = pathToFileURL(built('trail/search/index-main.ts'));
const PREFIX = 'tasktrail-index-';
const MS = Date.parse('2026-01-02T03:04:05.000Z');
const STATUSES = ['completed', 'failed', 'cancelled'];

/** Each kind of answer that the index gives. */
const PATHS = [
  '/tasks?status=failed&limit=100',
  '/tasks?q=word7',
  '/tasks?q=%22word7%20of%20task%22%20status:failed',
  '/tasks?q=cost:%3E0.5',
  '/tasks?sort=cost&limit=20',
  '/tasks?sort=duration&limit=20',
  '/tasks?agent=claude&since=2026-01-02T03:04:05.040Z',
  '/stats',
  '/stats?group_by=status',
  '/facets',
];

describe.skipIf('missing' in tool)('the index of a VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  async function open(idleMs?: number) {
    const storeUrl = server.newTenant();
    const [books, logs] = [new Books(), new VictoriaLogs(storeUrl)];
    const sink = new RowSink({ logs, books, log: () => {} });
    const index = await openWarehouseIndex(storeUrl, { books, entry, ...(idleMs && { idleMs }) });
    afterTest(() => index.close());
    const [searching, scanning] = [{ index }, {}].map((more) => warehouseReader({ logs, ...more }));
    const ports = await Promise.all(
      [searching, scanning].map((reader) => listen(serveLogs({ reader: reader as never }))),
    );
    const askBoth = (path: string): Promise<readonly string[]> =>
      // Between the two answers tasks may settle.
      Promise.all(ports.map(async (port) => (await ask(port, path)).text.replaceAll('"settled":true,', '')));
    return {
      books,
      index,
      askBoth,
      add: async (...logs: ReceivedLog[]): Promise<void> => {
        await sink.ingest({ logs, spans: [] }, TRAIL);
        await server.flush();
      },
      /** Of the index alone. */
      find: async (q: string): Promise<readonly string[] | undefined> => {
        const { taskSearch } = await import('../../../src/search/query/task-search.ts');
        const search = taskSearch({ q }, Date.now());
        const page = await index.list({ search, sort: 'created', after: undefined, limit: 9 });
        return page?.places.map(({ id }) => id);
      },
    };
  }

  test('answers searches, sorts, counts and facets as reading all tasks does', async () => {
    const { add, askBoth, find, books } = await open();
    await add(...Array.from({ length: 90 }, (_, number) => taskLogs(number)).flat());
    await until(() => find('word1'), 'the index');
    for (const path of PATHS) {
      const [searched, scanned] = await askBoth(path);
      expect([path, searched]).toEqual([path, scanned]);
      expect([path, searched?.length]).toEqual([path, expect.toSatisfy((length: number) => length > 40)]);
    }
    expect(books.notices.has('search index')).toBe(false);
  });

  test('a query finds what has come since the last one, and what has changed', async () => {
    const { add, find } = await open();
    await add(...taskLogs(1));
    await until(() => find('word1'), 'the index');
    expect(await find('word2')).toEqual([]);
    await add(...taskLogs(2));
    expect(await find('word2')).toEqual(['task-2']);
    expect(await find('status:running')).toEqual([]);
    await add(fact(3, 0, 'tasktrail.task.metadata', { status: 'running', source: 'api' }));
    expect(await find('status:running')).toEqual(['task-3']);
    await add(fact(3, 5, 'tasktrail.task.result', { success: true, status: 'completed', result: 'done' }));
    expect(await find('status:running')).toEqual([]);
    expect(await find('done')).toEqual(['task-3']);
  });

  test('it ends when nothing was asked for a while, and the next query knows what has come meanwhile', async () => {
    const { add, find } = await open(500);
    await add(...taskLogs(1));
    await until(() => find('word1'), 'the index');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await add(...taskLogs(2));
    await until(async () => (await find('word2'))?.length === 1, 'the later task');
    expect(await find('word1')).toEqual(['task-1']);
  });

  test('while VictoriaLogs is away a search says so, and goes on when it is back', async () => {
    const { add, askBoth, find } = await open();
    await add(...taskLogs(1));
    await until(() => find('word1'), 'the index');
    await server.kill();
    for (const answer of await askBoth('/tasks?q=word1'))
      expect(JSON.parse(answer)).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    await server.start();
    await add(...taskLogs(2));
    await until(async () => (await find('word2'))?.length === 1, 'the later task');
    const [searched, scanned] = await askBoth('/tasks?q=word2');
    expect(searched).toBe(scanned);
  });

  test('its directory is removed, also that of a process that was killed', async () => {
    const killed = join(tmpdir(), `${PREFIX}4194303-killed`);
    mkdirSync(killed);
    const { index, find } = await open();
    await until(() => find('word1'), 'the index');
    expect(own()).toHaveLength(1);
    expect(readdirSync(tmpdir())).not.toContain(`${PREFIX}4194303-killed`);
    await index.close();
    expect(own()).toEqual([]);
  });
});

function own(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`${PREFIX}${process.pid}-`));
}

/** A whole task. */
function taskLogs(number: number): readonly ReceivedLog[] {
  const status = STATUSES[number % 3];
  return [
    fact(number, 0, 'tasktrail.task.metadata', {
      ...{ status: 'queued', source: 'api', assigned_agent: number % 2 ? 'claude' : 'codex' },
      created_at: new Date(MS + number).toISOString(),
    }),
    fact(number, 1, 'tasktrail.task.input', { message: `word${number % 40} of task`, source_metadata: {} }),
    fact(number, 2, 'tasktrail.task.result', {
      ...{ success: status === 'completed', status, result: `end ${number}`, error: null },
      metrics: { cost_usd: number / 100, duration_seconds: number },
    }),
  ];
}

function fact(number: number, step: number, event: string, body: JsonObject): ReceivedLog {
  return log({
    ...{
      event,
      body,
      atMs: number * 10 + step,
      id: `01JY${String(number * 10 + step).padStart(22, '0')}`,
    },
    attributes: { 'tasktrail.task.id': `task-${number}` },
  });
}
