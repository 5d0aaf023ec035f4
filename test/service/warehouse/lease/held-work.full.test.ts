import * as ioredis from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Books } from '../../../../src/books.ts';
import { loadConfig } from '../../../../src/config/config.ts';
import type { ReceivedLog } from '../../../../src/model/otlp.ts';
import { TRAIL } from '../../../../src/model/sender.ts';
import { RedisLink } from '../../../../src/queue/bullmq/redis-link.ts';
import { HeartbeatBoard } from '../../../../src/service/warehouse/lease/heartbeat-board.ts';
import { startHeldWork } from '../../../../src/service/warehouse/lease/held-work.ts';
import { LeaseRecords } from '../../../../src/service/warehouse/lease/lease-records.ts';
import { RedisOutboxes } from '../../../../src/service/warehouse/lease/redis-outboxes.ts';
import { StartingTasks } from '../../../../src/service/warehouse/lease/starting-tasks.ts';
import { TrailMetrics } from '../../../../src/trail/metrics/trail-metrics.ts';
import { resourceOf, sourceOf } from '../../../../src/trail/resource.ts';
import { warehouseReader } from '../../../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../../../src/warehouse/client.ts';
import { RowSink } from '../../../../src/warehouse/write/row-sink.ts';
import { afterTest } from '../../../support/current-test.ts';
import { heldTerm } from '../../../support/held-term.ts';
import { tempDir } from '../../../support/log-dir.ts';
import { eventId, log, spanId } from '../../../support/records.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';
import {
  findVictoriaLogs,
  startVictoriaLogs,
  type VictoriaLogsServer,
} from '../../../support/victoria-logs.ts';

const redisProgram = findRedis();
const logsProgram = findVictoriaLogs();

const SILENCE_MS = 4_000;

describe.skipIf('missing' in redisProgram || 'missing' in logsProgram)('the work of the holder', () => {
  let server: VictoriaLogsServer;
  let redis: RedisServer;

  beforeAll(async () => {
    if ('missing' in logsProgram) return;
    server = await startVictoriaLogs(logsProgram);
    redis = await startRedis(redisProgram);
  });
  afterAll(async () => {
    await server.stop();
    await redis.stop();
  });

  interface Service {
    readonly board: HeartbeatBoard;
    readonly sink: RowSink;
    readonly lines: string[];
    /** Tasks whose end it has counted. */
    readonly counted: string[];
  }

  /** A service that takes itself for the holder, whatever the others do. */
  async function hold(store: string): Promise<Service> {
    const logs = new VictoriaLogs(store);
    const books = new Books();
    const lines: string[] = [];
    const prefix = `test:{${store}}:`;
    const link = new RedisLink(ioredis, { url: redis.url, log: () => {} });
    await link.isReady(10_000);
    const board = new HeartbeatBoard({ link, prefix });
    const config = loadConfig({ env: {}, cwd: await tempDir() });
    const resource = resourceOf(config);
    const counted: string[] = [];
    const metrics = new TrailMetrics();
    metrics.taskEnded = ({ metadata, result, before }) =>
      void counted.push(`${metadata.task_id} ${result.status} ${before?.status} ${result.metrics.cost_usd}`);
    const say = (line: string): void => void lines.push(line);
    const sink = new RowSink({ logs, books, log: say, onHeartbeats: (ids) => board.note(ids) });
    const term = heldTerm(() => link);
    const work = startHeldWork(term, {
      ...{ config, logs, books, board, link, prefix, log: say, directory: 'test' },
      records: new LeaseRecords({ sink, resource, source: sourceOf(resource), onStored: () => {}, log: say }),
      outboxes: new RedisOutboxes({ link, prefix }),
      starting: new StartingTasks({ link, prefix }),
      queue: () => undefined,
      metrics,
      limits: { tickMs: 500, silenceMs: SILENCE_MS },
    });
    afterTest(async () => {
      await work.close();
      board.close();
      link.close();
    });
    return { board, sink, lines, counted };
  }

  const send = (to: Service, ...logs: readonly ReceivedLog[]): Promise<unknown> =>
    to.sink.ingest({ logs, spans: [] }, TRAIL);

  function running(attempt = 1): ReceivedLog {
    return log({
      ...{ event: 'tasktrail.task.metadata', id: eventId(attempt), spanId: spanId(attempt) },
      body: { status: 'running', attempt, heartbeat_seconds: 10 },
      attributes: {
        ...{ 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': attempt },
        ...{ 'tasktrail.span.name': 'process agent', 'tasktrail.span.kind': 5 },
      },
    });
  }

  const heartbeat = (): ReceivedLog => log({ event: 'tasktrail.task.heartbeat' });

  async function statusIn(store: string): Promise<unknown> {
    const reader = warehouseReader({ logs: new VictoriaLogs(store), keepMs: 0 });
    return (await reader.readDocument('task-1', 'metadata'))?.status;
  }

  async function rowsIn(store: string, kind: string, more = ''): Promise<readonly unknown[]> {
    return new VictoriaLogs(store).rows(`{app="tasktrail",kind="${kind}"} part:=0 ${more}`);
  }

  test.concurrent('two services that both take themselves for the holder end a task and its span once for readers', async () => {
    const store = server.newTenant();
    const [one, other] = [await hold(store), await hold(store)];
    await send(one, running());
    await until(async () => (await rowsIn(store, 'span')).length >= 2, 'the span of both');
    const ended = 'event:="tasktrail.task.result"';
    expect((await rowsIn(store, 'fact', ended)).length).toBeGreaterThan(1);
    expect(await rowsIn(store, 'fact', `${ended} | uniq by (id)`)).toHaveLength(1);
    expect(await rowsIn(store, 'span', '| uniq by (id)')).toHaveLength(1);
    const reader = warehouseReader({ logs: new VictoriaLogs(store), keepMs: 0 });
    const trace = await reader.openTrace('task-1');
    const spans: string[] = [];
    for await (const text of trace?.lines() ?? []) spans.push(text);
    expect(spans).toHaveLength(1);
    expect(await reader.readDocument('task-1', 'final-result')).toMatchObject({ status: 'abandoned' });
    expect(other.lines.filter((line) => line.includes('cannot'))).toEqual([]);
  });

  test.concurrent('a heartbeat that any service has taken keeps a task alive, and its end ends the task', async () => {
    const store = server.newTenant();
    const one = await hold(store);
    await send(one, running());
    const endMs = Date.now() + 3 * SILENCE_MS;
    while (Date.now() < endMs) {
      await send(one, heartbeat());
      expect(await statusIn(store)).not.toBe('abandoned');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const shared = { heartbeatAgeMs: (id: string) => one.board.ageMs(id), uploadOf: async () => undefined };
    const reader = warehouseReader({ logs: new VictoriaLogs(store), keepMs: 0, shared });
    const activity = await reader.activityOf({ task_id: 'task-1', status: 'running' });
    // The last fact is three times as old.
    expect(activity?.heartbeat_age_seconds).toBeLessThan(SILENCE_MS / 1_000);
    await until(async () => (await statusIn(store)) === 'abandoned', 'the end');
    // The next attempt is another one.
    await send(one, running(2));
    await until(async () => (await statusIn(store)) === 'running', 'the next attempt');
    await until(async () => (await statusIn(store)) === 'abandoned', 'its end');
    expect(await rowsIn(store, 'fact', 'event:="tasktrail.task.result" | uniq by (id)')).toHaveLength(2);
  });

  test.concurrent('an end is counted by one of two that take themselves for the holder, and not by a later one; what is new of it is', async () => {
    const store = server.newTenant();
    const [one, other] = [await hold(store), await hold(store)];
    const end = (id: number, status: string, cost: number): ReceivedLog =>
      log({
        ...{ event: 'tasktrail.task.result', id: eventId(id), atMs: 100 * id },
        body: { status, result: 'done', metrics: { cost_usd: cost } },
      });
    await send(one, running(), end(50, 'abandoned', 0.5));
    const counted = (): readonly string[] => [...one.counted, ...other.counted];
    await until(() => counted().length > 0, 'the count');
    // The same end once more, through the other service.
    await send(other, end(50, 'abandoned', 0.5));
    const later = await hold(store);
    await send(later, end(51, 'completed', 0.75));
    await until(() => [...counted(), ...later.counted].length > 1, 'the count of the growth');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect([...counted(), ...later.counted]).toEqual([
      'task-1 abandoned undefined 0.5',
      'task-1 completed abandoned 0.75',
    ]);
  });

  test.concurrent('while a service refuses records no silence counts: heartbeats may wait behind them', async () => {
    const store = server.newTenant();
    const one = await hold(store);
    await send(one, running());
    const endMs = Date.now() + 3 * SILENCE_MS;
    while (Date.now() < endMs) {
      one.board.noteTrouble();
      expect(await statusIn(store)).not.toBe('abandoned');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await until(async () => (await statusIn(store)) === 'abandoned', 'the end');
  });
});
