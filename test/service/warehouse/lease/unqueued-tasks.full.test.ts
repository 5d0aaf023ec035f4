import * as ioredis from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Books } from '../../../../src/books.ts';
import { loadConfig } from '../../../../src/config/config.ts';
import type { ReceivedLog } from '../../../../src/model/otlp.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../../../../src/model/sender.ts';
import { RedisLink } from '../../../../src/queue/bullmq/redis-link.ts';
import { LeaseRecords } from '../../../../src/service/warehouse/lease/lease-records.ts';
import { StartingTasks } from '../../../../src/service/warehouse/lease/starting-tasks.ts';
import { UnqueuedTasks } from '../../../../src/service/warehouse/lease/unqueued-tasks.ts';
import { resourceOf, sourceOf } from '../../../../src/trail/resource.ts';
import { warehouseReader } from '../../../../src/trail/search/warehouse-reader.ts';
import { VictoriaLogs } from '../../../../src/warehouse/client.ts';
import { RowSink } from '../../../../src/warehouse/write/row-sink.ts';
import { afterTest } from '../../../support/current-test.ts';
import { heldTerm } from '../../../support/held-term.ts';
import { tempDir } from '../../../support/log-dir.ts';
import { eventId, log } from '../../../support/records.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis.ts';
import {
  findVictoriaLogs,
  startVictoriaLogs,
  type VictoriaLogsServer,
} from '../../../support/victoria-logs.ts';

const program = findRedis();
const tool = findVictoriaLogs();

describe.skipIf('missing' in program || 'missing' in tool)('tasks that were stored and not queued', () => {
  let redis: RedisServer;
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    redis = await startRedis(program);
    server = await startVictoriaLogs(tool);
  });
  afterAll(async () => {
    await redis.stop();
    await server.stop();
  });

  interface Rig {
    /** Called while the holder looks at a task, before it has decided. */
    onRead: () => Promise<void>;
    readonly starting: StartingTasks;
    /** Ids of jobs that the queue has. */
    readonly queued: Set<string>;
    readonly troubles: (string | undefined)[];
    store(log: ReceivedLog, sender?: Sender): Promise<void>;
    look(): Promise<void>;
    metadata(): Promise<Readonly<Record<string, unknown>> | undefined>;
    result(): Promise<Readonly<Record<string, unknown>> | undefined>;
  }

  async function rig(): Promise<Rig> {
    const address = server.newTenant();
    const logs = new VictoriaLogs(address);
    const prefix = `test:{${address}}:`;
    const link = new RedisLink(ioredis, { url: redis.url, log: () => {} });
    await link.isReady(10_000);
    const sink = new RowSink({ logs, books: new Books(), log: () => {} });
    const term = heldTerm(() => link);
    const resource = resourceOf(loadConfig({ env: {}, cwd: await tempDir() }));
    const starting = new StartingTasks({ link, prefix, giveUpMs: 0 });
    const reader = warehouseReader({ logs, keepMs: 0 });
    const queued = new Set<string>();
    const troubles: (string | undefined)[] = [];
    const tasks = new UnqueuedTasks(
      {
        ...{ term, starting },
        records: new LeaseRecords({
          sink,
          resource,
          source: sourceOf(resource),
          onStored: () => {},
          log: () => {},
        }),
        queue: () => ({ knows: async (taskId) => queued.has(taskId) }),
        readMetadata: async (taskId) => {
          const metadata = await reader.readDocument(taskId, 'metadata');
          await opened.onRead();
          return metadata;
        },
        onTrouble: (reason) => troubles.push(reason),
        log: () => {},
      },
      3_600_000,
    );
    afterTest(async () => {
      await tasks.close();
      link.close();
    });
    const opened: Rig = {
      ...{ starting, queued, troubles, onRead: async () => {} },
      store: async (record, sender = TRAIL) => {
        await sink.ingest({ logs: [record], spans: [] }, sender);
        await server.flush();
      },
      look: async () => {
        await tasks.look();
        await server.flush();
      },
      metadata: () => reader.readDocument('task-1', 'metadata'),
      result: () => reader.readDocument('task-1', 'final-result'),
    };
    return opened;
  }

  const stored = (status = 'queued'): ReceivedLog =>
    log({
      ...{ event: 'tasktrail.task.metadata', id: eventId(1) },
      body: { status, created_at: '2026-01-02T03:04:05.000Z' },
      attributes: { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 1 },
    });

  test('one that its service has noted ends as failed, with what to do', async () => {
    const { starting, store, look, metadata, result } = await rig();
    await starting.begin('task-1');
    await store(stored());
    await look();
    expect(await metadata()).toMatchObject({ status: 'failed' });
    expect((await result())?.error).toContain('send it again');
    expect(await starting.isGivenUp('task-1')).toBe(true);
    expect(await starting.left()).toEqual([]);
  });

  test('one that the queue has, or that has begun, is left alone', async () => {
    const queued = await rig();
    await queued.starting.begin('task-1');
    await queued.store(stored());
    queued.queued.add('task-1');
    await queued.look();
    expect(await queued.metadata()).toMatchObject({ status: 'queued' });
    for (const status of ['running', 'waiting_input']) {
      const one = await rig();
      await one.starting.begin('task-1');
      await one.store(stored(status));
      const before = await one.metadata();
      await one.look();
      expect(await one.metadata()).toEqual(before);
      expect(await one.starting.isGivenUp('task-1')).toBe(false);
    }
  });

  test('one that is started again or queued while the holder looks at it is left alone', async () => {
    const again = await rig();
    await again.starting.begin('task-1');
    await again.store(stored());
    again.onRead = async () => void (await again.starting.begin('task-1'));
    await again.look();
    expect(await again.metadata()).toMatchObject({ status: 'queued' });
    expect(await again.starting.isGivenUp('task-1')).toBe(false);
    const late = await rig();
    await late.starting.begin('task-1');
    await late.store(stored());
    late.onRead = async () => void late.queued.add('task-1');
    await late.look();
    expect(await late.metadata()).toMatchObject({ status: 'queued' });
    expect([await late.starting.isGivenUp('task-1'), await late.starting.left()]).toEqual([false, []]);
  });

  test('nothing is recorded of one that is not stored, until its row is there', async () => {
    const { starting, store, look, metadata } = await rig();
    await starting.begin('task-1');
    await look();
    expect(await metadata()).toBeUndefined();
    expect(await starting.left()).toHaveLength(1);
    await store(stored());
    // It looks again after a minute.
    await look();
    expect(await metadata()).toMatchObject({ status: 'queued' });
  });

  test('records start and end nothing: neither without a note, nor of a task that another sender has opened', async () => {
    const noteless = await rig();
    await noteless.store(stored());
    await noteless.look();
    expect(await noteless.metadata()).toMatchObject({ status: 'queued' });
    const forged = await rig();
    await forged.starting.begin('task-1');
    await forged.store(stored(), ANONYMOUS);
    const before = await forged.metadata();
    expect(before).toMatchObject({ opened_by: 'anonymous' });
    await forged.look();
    expect(await forged.metadata()).toEqual(before);
  });
});
