import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonValue } from '../../../src/model/json.ts';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { ANONYMOUS, TRAIL } from '../../../src/model/sender.ts';
import { ask } from '../../serve/log-server.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';
import { type RowService, rowService } from '../../support/row-service.ts';
import { SseClient } from '../../support/sse.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

const STREAM = '/tasks/task-1/stream';

/** Nanoseconds: behind all other records. */
const LATER = '1767323046000000000';

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const metadata = (number: number, status: string): ReceivedLog =>
  log({ event: 'tasktrail.task.metadata', id: eventId(number), atMs: number, body: { status } });

const result = (number: number): ReceivedLog =>
  log({
    event: 'tasktrail.task.result',
    id: eventId(number),
    atMs: number,
    body: { success: true, status: 'completed', result: 'done' },
  });

const event = (workflow: string, number: number, name: string, body: JsonValue, step?: string): ReceivedLog =>
  log({
    ...{ event: `tasktrail.${name}`, id: eventId(number), atMs: number * 10, body },
    attributes: {
      ...{ 'tasktrail.workflow.id': workflow, 'tasktrail.project': 'shop' },
      ...(step !== undefined && { 'tasktrail.phase.name': 'build', 'tasktrail.step.name': step }),
    },
  });

const idsOf = (clients: readonly SseClient[], name: string = 'line'): unknown[] =>
  clients.flatMap((client) => client.of(name).map(({ event_id: id }) => id));

const sorted = (ids: readonly unknown[]): unknown[] => [...ids].sort();

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => eventId(from + at));

describe.skipIf('missing' in tool)('live over VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  async function services(...clocks: number[]): Promise<readonly RowService[]> {
    const store = server.newTenant();
    return Promise.all(clocks.map((clock) => rowService(store, clock)));
  }

  /** Writes lines through all services by turns, a part of them twice, and each second time through another one. */
  async function write(all: readonly RowService[], from: number, to: number): Promise<void> {
    for (let number = from; number < to; ) {
      const group = Array.from({ length: 1 + (number % 4) }, (_, at) => number + at).filter(
        (one) => one < to,
      );
      const logs = group.map((one) => outputLog(one, one % 37 === 0 ? `${one} `.repeat(40_000) : `${one}\n`));
      await all[number % all.length]?.keepSending(logs);
      if (number % 3 === 0) await all[(number + 1) % all.length]?.keepSending(logs.slice(0, 2));
      number += group.length;
      await pause(number % 5);
    }
  }

  /** Reads until all are there, and goes on at the next service whenever it has got some. */
  async function hop(
    all: readonly RowService[],
    path: string,
    isAll: (clients: readonly SseClient[]) => boolean,
  ): Promise<readonly SseClient[]> {
    const clients: SseClient[] = [];
    let lastId = '';
    for (let turn = 0; !isAll(clients); turn += 1) {
      const port = all[turn % all.length]?.port ?? 0;
      const client = await SseClient.open(port, path, lastId === '' ? {} : { 'Last-Event-ID': lastId });
      expect(client.status).toBe(200);
      clients.push(client);
      const count = 1 + ((turn * 13) % 40);
      await until(() => client.sent.length >= count || isAll(clients), 'more events', 3_000).catch(
        () => undefined,
      );
      client.close();
      lastId = client.lastId || lastId;
    }
    return clients;
  }

  test('readers at every service get each line once, while two services store and repeat them', async () => {
    const all = await services(0, 700, -800);
    await all[0]?.logs([metadata(1, 'running'), outputLog(2)]);
    await server.flush();
    const [one, other] = await Promise.all(all.map(({ port }) => SseClient.open(port, STREAM)));
    const wanted = ['', ...numbered(2, 400)].slice(1);
    const writing = write(all, 3, 400);
    const hopped = await hop(all, STREAM, (clients) => idsOf(clients).length >= wanted.length);
    await writing;
    for (const client of [one, other])
      await until(() => client !== undefined && idsOf([client]).length >= wanted.length, 'all lines');
    await pause(1_500);
    for (const clients of [[one], [other], hopped] as SseClient[][]) {
      expect(sorted(idsOf(clients))).toEqual(wanted);
      expect(clients.flatMap(({ names }) => names)).not.toContain('reset');
    }
    expect(one?.lastId.length).toBeLessThan(160);
  });

  test('a client that goes on behind any event, at any service, gets exactly the rest', async () => {
    const all = await services(0, 0);
    await all[0]?.logs([metadata(1, 'running'), ...[2, 3, 4, 5].map((number) => outputLog(number))]);
    await server.flush();
    const whole = await SseClient.open(all[0]?.port ?? 0, STREAM);
    await until(() => whole.of('line').length === 4, 'what is there');
    await all[1]?.logs([6, 7].map((number) => outputLog(number)));
    await all[0]?.ingest({ logs: [], spans: [span({ id: spanId(8), more: { startTimeUnixNano: LATER } })] });
    await until(() => whole.names.includes('span'), 'what comes');
    await until(() => whole.of('line').length === 6, 'what comes');
    for (const [index, { id }] of whole.sent.entries()) {
      const rest = whole.sent.slice(index + 1).map(({ event: name, data }) => ({ event: name, data }));
      for (const { port } of all) {
        const client = await SseClient.open(port, `${STREAM}?after=${id}`);
        await until(() => client.sent.length >= rest.length, 'the rest');
        await pause(20);
        expect(client.sent.map(({ event: name, data }) => ({ event: name, data }))).toEqual(rest);
        client.close();
      }
    }
  });

  test('lines of a service whose clock is behind are neither missed nor sent twice', async () => {
    const all = await services(0, -25_000);
    await all[0]?.logs([metadata(1, 'running'), outputLog(2)]);
    await server.flush();
    const client = await SseClient.open(all[0]?.port ?? 0, STREAM);
    await until(() => client.of('line').length === 1, 'the first line');
    await all[1]?.logs([outputLog(3)]);
    await until(() => client.of('line').length === 2, 'the line of the past');
    // A repeat that looks as if it had come before the record itself.
    await all[0]?.logs([outputLog(4)]);
    await until(() => client.of('line').length === 3, 'the record');
    await all[1]?.logs([outputLog(4), outputLog(5)]);
    await until(() => client.of('line').length === 4, 'the line behind the repeat');
    const { lastId } = client;
    client.close();
    await all[1]?.logs([outputLog(6)]);
    await all[0]?.logs([outputLog(7)]);
    await server.flush();
    const again = await SseClient.open(all[1]?.port ?? 0, STREAM, { 'Last-Event-ID': lastId });
    await until(() => again.of('line').length >= 2, 'the lines of the break');
    await pause(6_000);
    expect(sorted(idsOf([client, again]))).toEqual(numbered(2, 8));
  });

  test('a copy of a sender with more rights comes once, one with fewer does not', async () => {
    const [one, other] = await services(0, 0);
    await one?.logs([metadata(1, 'running')], ANONYMOUS);
    await one?.logs([outputLog(2, 'of a stranger\n')], ANONYMOUS);
    await server.flush();
    const client = await SseClient.open(other?.port ?? 0, STREAM);
    await until(() => client.of('line').length === 1, 'the copy');
    await other?.logs([outputLog(2, 'the record\n')], TRAIL);
    await until(() => client.of('line').length === 2, 'the record');
    await other?.logs([outputLog(2, 'the record\n'), outputLog(3)], TRAIL);
    await until(() => client.of('line').length === 3, 'the next line');
    expect(client.of('line').map(({ content }) => content)).toEqual([
      'of a stranger\n',
      'the record\n',
      'line 3\n',
    ]);
  });

  test('streams stay open while VictoriaLogs restarts, and go on without a loss; a new one is refused', async () => {
    const all = await services(0, 0);
    await all[0]?.logs([metadata(1, 'running'), outputLog(2)]);
    await server.flush();
    const client = await SseClient.open(all[1]?.port ?? 0, STREAM);
    const list = await SseClient.open(all[1]?.port ?? 0, '/stream');
    await until(() => client.of('line').length === 1 && list.of('task').length === 1, 'what is there');
    const writing = write(all, 3, 200);
    await until(() => client.of('line').length > 20, 'what comes');
    // It stores what it has in memory then.
    await server.kill('SIGTERM');
    const refused = await ask(all[0]?.port ?? 0, STREAM);
    expect([refused.status, refused.json()]).toMatchObject([503, { code: 'ERR_STORE_UNAVAILABLE' }]);
    const feed = await ask(all[0]?.port ?? 0, '/events');
    expect([feed.status, feed.json()]).toMatchObject([503, { code: 'ERR_STORE_UNAVAILABLE' }]);
    await pause(2_500);
    expect(client.isEnded).toBe(false);
    await server.start();
    await writing;
    await all[0]?.keepSending([result(300)]);
    await until(() => client.names.includes('end'), 'the end');
    expect(sorted(idsOf([client]))).toEqual(numbered(2, 200));
    await until(() => list.of('task').at(-1)?.status === 'completed', 'the end in the list');
    await until(() => client.isEnded, 'the end of the stream, once the task has settled');
    const again = await SseClient.open(all[0]?.port ?? 0, STREAM, { 'Last-Event-ID': client.lastId });
    expect(again.status).toBe(204);
  });

  test('a client that does not read gets all in the end, and nothing waits for it in memory', async () => {
    const [one, other] = await services(0, 0);
    await one?.logs([metadata(1, 'running'), outputLog(2)]);
    await server.flush();
    const slow = await SseClient.open(other?.port ?? 0, STREAM);
    await until(() => slow.of('line').length === 1, 'the first line');
    slow.pause();
    const text = 'x'.repeat(20_000);
    for (let number = 3; number < 1_203; number += 50) {
      const group = Array.from({ length: 50 }, (_, at) => outputLog(number + at, text));
      await (number % 100 === 3 ? one : other)?.logs(group);
    }
    await server.flush();
    const quick = await SseClient.open(other?.port ?? 0, `${STREAM}?after=${slow.lastId}`);
    await until(() => quick.of('line').length >= 1_200, 'all lines, for a client that reads');
    slow.resume();
    await until(() => slow.of('line').length >= 1_201, 'all lines');
    await pause(500);
    expect(sorted(idsOf([slow]))).toEqual(numbered(2, 1_203));
    expect(sorted(idsOf([quick]))).toEqual(numbered(3, 1_203));
  });

  test('the feed brings each event once at any service: as pages, as a stream, and in the stream of a workflow', async () => {
    const all = await services(0, -5_000);
    const feeds = await Promise.all(all.map(({ port }) => SseClient.open(port, '/events/stream?after=now')));
    const events = Array.from({ length: 60 }, (_, at) => {
      const workflow = `wf-${at % 3}`;
      if (at < 3) return event(workflow, at, 'workflow_start', {});
      return event(workflow, at, 'step_start', { n: at }, `step-${at}`);
    });
    for (const [at, one] of events.entries()) {
      await all[at % 2]?.logs([one]);
      if (at % 4 === 0) await all[(at + 1) % 2]?.logs([one]);
      if (at === 10) await server.flush();
    }
    const wanted = numbered(0, 60);
    for (const feed of feeds) await until(() => idsOf([feed], 'event').length >= 60, 'all events');
    const hopped = await hop(all, '/events/stream', (clients) => idsOf(clients, 'event').length >= 60);
    await pause(1_200);
    for (const clients of [...feeds.map((feed) => [feed]), hopped])
      expect(sorted(idsOf(clients, 'event'))).toEqual(wanted);
    for (const limit of [1, 7, 500]) {
      const paged: unknown[] = [];
      for (let turn = 0, after = ''; ; turn += 1) {
        const query = `/events?limit=${limit}${after === '' ? '' : `&after=${after}`}`;
        const { items, next_cursor: next } = (await ask(all[turn % 2]?.port ?? 0, query)).json() as {
          items: { event_id: string }[];
          next_cursor: string;
        };
        paged.push(...items.map(({ event_id: id }) => id));
        if (items.length === 0 && (next === after || paged.length >= 60)) break;
        after = next;
      }
      expect(sorted(paged)).toEqual(wanted);
    }
    const ofWorkflow = wanted.filter((_, at) => at % 3 === 1);
    const workflow = await hop(
      all,
      '/workflows/wf-1/stream',
      (clients) => idsOf(clients, 'event').length >= 20,
    );
    expect(sorted(idsOf(workflow, 'event'))).toEqual(ofWorkflow);
    await all[0]?.logs([event('wf-1', 90, 'workflow_complete', { status: 'success' })]);
    const end = await SseClient.open(all[1]?.port ?? 0, '/workflows/wf-1/stream');
    await until(() => end.isEnded, 'the end of the workflow');
    expect(end.names.at(-1)).toBe('end');
  });

  test('the stream of the list brings new and changed tasks of every service, also after a break', async () => {
    const [one, other] = await services(0, 0);
    const list = await SseClient.open(other?.port ?? 0, '/stream?status=running');
    await one?.logs([metadata(1, 'running')]);
    await until(() => list.of('task').some(({ task_id: id }) => id === 'task-1'), 'a new task');
    await other?.logs([result(2)]);
    await until(() => list.of('removed').some(({ task_id: id }) => id === 'task-1'), 'a task that is over');
    list.close();
    const second = log({
      ...{ event: 'tasktrail.task.metadata', id: eventId(3), atMs: 3, body: { status: 'running' } },
      attributes: { 'tasktrail.task.id': 'task-2' },
    });
    await one?.logs([second]);
    await server.flush();
    const again = await SseClient.open(one?.port ?? 0, `/stream?status=running&after=${list.lastId}`);
    await until(() => again.of('task').some(({ task_id: id }) => id === 'task-2'), 'a task of the break');
    expect(again.names).not.toContain('reset');
  });

  test('places that no stream has given are refused, or begin again, and never fail', async () => {
    const [one] = await services(0);
    await one?.logs([metadata(1, 'running'), outputLog(2)]);
    await server.flush();
    const port = one?.port ?? 0;
    const client = await SseClient.open(port, STREAM);
    await until(() => client.of('line').length === 1, 'a line');
    const place = client.lastId;
    const statuses = new Set<number>();
    for (let at = 0; at <= place.length; at += 1)
      for (const text of ['', 'z', '.', '_', '_z', '-', '%00', '*'])
        for (const after of [place.slice(0, at) + text, place.slice(0, at) + text + place.slice(at + 1)]) {
          const opened = await SseClient.open(port, `${STREAM}?after=${after}`);
          statuses.add(opened.status);
          opened.close();
        }
    expect(sorted([...statuses])).toEqual([200, 400]);
    const future = await SseClient.open(
      port,
      `${STREAM}?after=0_0_0.${(Date.now() + 900_000).toString(36)}0000`,
    );
    await until(() => future.of('line').length === 1, 'all again');
    expect(future.names[0]).toBe('reset');
  });
});
