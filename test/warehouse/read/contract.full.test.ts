import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonValue } from '../../../src/model/json.ts';
import { keyValuesFromPlain, type ReceivedLog, type TelemetryBatch } from '../../../src/model/otlp.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../../../src/model/sender.ts';
import { GOLDEN_CASES } from '../../store/golden-cases.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';
import {
  expectSame,
  expectSameEvents,
  expectSameFeed,
  expectSameLists,
  expectSameTask,
} from '../../support/same-answers.ts';
import { twoStores } from '../../support/two-stores.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

/** More than a task takes to settle. */
const SETTLED_MS = 15_000;

const AGENT: Sender = { kind: 'agent', taskId: 'task-1' };

describe.skipIf('missing' in tool)('REST over VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test.each(GOLDEN_CASES)('answers as over files: %s', async (_, batches) => {
    const stores = await twoStores(server);
    for (const batch of batches()) await stores.ingest(batch);
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
    await expectSameLists(stores);
  });

  test.each(GOLDEN_CASES)(
    'streams and the feed bring the same events as over files: %s',
    async (_, batches) => {
      const stores = await twoStores(server);
      for (const batch of batches()) await stores.ingest(batch);
      for (let times = 0; times < 3; times += 1) await stores.pass(SETTLED_MS);
      for (const task of await listed(stores, '/tasks', 'task_id')) {
        await expectSameEvents(stores, `/tasks/${task}/stream`);
        await expectSameEvents(stores, `/tasks/${task}/stream?after=now`);
      }
      for (const id of await listed(stores, '/workflows', 'workflow_id'))
        await expectSameEvents(stores, `/workflows/${id}/stream`);
      await expectSameEvents(stores, '/stream?limit=3');
      await expectSameEvents(stores, '/stream?list=true&task=task-1&status=completed');
      await expectSameEvents(stores, '/events/stream');
      for (const query of ['', '&type=phase_start', '&type=workflow_complete'])
        for (const limit of [1, 2, 100]) await expectSameFeed(stores, `/events?limit=${limit}${query}`);
      const wrong = [
        '/events?after=nothing',
        '/events?limit=0',
        '/events/stream?after=nothing',
        '/tasks/task-9/stream',
      ];
      const more = [
        '/tasks/task-1/stream?after=l0',
        '/stream?task=task-1&after=0',
        '/stream?task=task-9',
        '/stream?after=x',
      ];
      for (const path of [
        ...wrong,
        ...more,
        '/workflows/no-such/stream',
        '/workflows/no-such/stream?after=1',
      ])
        await expectSame(stores, path);
    },
  );

  test('records that come twice, late, in any order and after the end make the same answers', async () => {
    const stores = await twoStores(server);
    const [, batches] = GOLDEN_CASES[0] ?? ['', () => []];
    const [all] = batches();
    const { logs = [], spans = [] } = all ?? {};
    // Those behind the end, and then all again, the last ones first.
    const shuffled = [...logs].sort((a, b) => hashOf(a) - hashOf(b));
    for (const one of [...shuffled, ...shuffled.slice(0, 9)]) await stores.ingest({ logs: [one], spans: [] });
    await stores.ingest({ logs: [], spans });
    await stores.ingest({ logs: [...logs].reverse(), spans: [...spans].reverse() });
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
    await expectSameLists(stores);
    // A straggler, long after the end.
    await stores.ingest({ logs: [outputLog(1, 'late\n')], spans: [] });
    for (let times = 0; times < 3; times += 1) await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
  });

  test('what other senders say counts as over files, and what they may not say is refused with the same words', async () => {
    const stores = await twoStores(server);
    const from = (sender: Sender, ...logs: ReceivedLog[]): Promise<void> =>
      stores.ingest({ logs, spans: [] }, sender);
    await from(
      ANONYMOUS,
      metadata(1, { source: 'forged', status: 'running', created_at: '2020-01-01T00:00:00Z' }),
    );
    await from(ANONYMOUS, outputLog(2, 'a copy\n'), outputLog(3, 'of a stranger\n'));
    await expectSameTask(stores, 'task-1');
    await from(TRAIL, metadata(4, { source: 'api', status: 'running', created_at: '2026-01-02T03:04:05Z' }));
    await from(TRAIL, outputLog(2, 'the record itself\n'));
    await from(AGENT, outputLog(5, 'an agent\n'), metadata(6, { status: 'failed' }));
    await from(ANONYMOUS, outputLog(3, 'of a stranger\n'), outputLog(7, 'too late\n'), result(8, 'failed'));
    await from({ kind: 'agent', taskId: 'task-2' }, outputLog(9, 'about another task\n'));
    await stores.ingest({ logs: [], spans: [span({ id: spanId(4) })] }, ANONYMOUS);
    await stores.ingest({ logs: [], spans: [span({ id: spanId(4) })] }, AGENT);
    await from(TRAIL, result(10, 'completed'));
    await from(AGENT, outputLog(5, 'an agent\n'), outputLog(11, 'after the end\n'));
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
    await expectSameLists(stores);
    const received = [stores.files.books, stores.books].map((books) => books.snapshot().rejected);
    expect(received[1]).toEqual(received[0]);
  });

  test('the telemetry of real agents gives the same lines, tokens, models and spans', async () => {
    const stores = await twoStores(server);
    const files = ['claude-code/otlp-logs.json', 'codex/otlp-logs.json', 'gemini-cli/otlp-logs.json'];
    for (const file of files) await stores.post('logs', sample(file), 'application/json');
    await stores.post('logs', sample('claude-code/otlp-logs.bin'), 'application/x-protobuf');
    for (const file of [
      'claude-code/otlp-traces.json',
      'codex/otlp-traces-1.json',
      'gemini-cli/otlp-traces.json',
    ])
      await stores.post('traces', sample(file), 'application/json');
    await stores.pass(SETTLED_MS);
    await expectSame(stores, '/tasks');
    // Until it has settled, the lines of files stand as they came.
    for (const path of ['', '/logs/metadata', '/logs/input'])
      await expectSame(stores, `/tasks/task-demo${path}`);
    const end = log({
      ...{ event: 'tasktrail.task.result', id: eventId(1), atMs: 9_000_000_000 },
      body: { success: true, status: 'completed', result: 'ok', error: null },
      attributes: { 'tasktrail.task.id': 'task-demo' },
    });
    await stores.ingest({ logs: [end], spans: [] }, ANONYMOUS);
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-demo');
    await expectSame(stores, '/stats?group_by=model');
    await expectSame(stores, '/tasks?sort=tokens');
  });

  test('tool calls that telemetry and the agent report are lines once', async () => {
    const stores = await twoStores(server);
    const call = (number: number, type: string, id: string): ReceivedLog =>
      log({
        ...{ event: 'tasktrail.agent.output', id: eventId(number), atMs: number, body: `${type} ${id}` },
        attributes: {
          ...{ 'tasktrail.task.id': 'task-1', 'tasktrail.agent.output.type': type },
          ...{ 'gen_ai.tool.name': 'Read', 'gen_ai.tool.call.id': id },
        },
      });
    await stores.ingest({ logs: [call(1, 'tool_call', 'known')], spans: [] });
    for (const [index, id] of ['known', 'superseded', 'alone'].entries())
      await stores.ingest({ logs: [], spans: [toolSpan(10 + index, id)] });
    await stores.ingest({
      logs: [call(2, 'tool_call', 'superseded'), call(3, 'tool_result', 'superseded')],
      spans: [],
    });
    await stores.ingest({ logs: [result(4, 'completed')], spans: [] });
    await stores.pass(SETTLED_MS);
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
  });

  test('lines of any length are whole', async () => {
    const stores = await twoStores(server);
    const contents = ['x'.repeat(300_000), '\u{1d4b3}"\\\n'.repeat(60_000), '\u0000\ud800 \u001b[31m', ''];
    for (const [index, content] of contents.entries())
      await stores.ingest({ logs: [outputLog(index, content)], spans: [] });
    await stores.ingest({
      logs: [metadata(9, { message: 'y'.repeat(2_000_000) }), result(10, 'completed')],
      spans: [],
    });
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
  });

  test('pages of lists follow each other to the same end', async () => {
    const stores = await twoStores(server);
    for (let number = 0; number < 23; number += 1)
      await stores.ingest({ logs: [taskOf(number), delivery(number), ...workflowOf(number)], spans: [] });
    await stores.pass(SETTLED_MS);
    for (const list of [
      '/tasks?limit=5',
      '/webhooks?limit=5',
      '/workflows?limit=5',
      '/tasks?limit=4&status=queued',
    ])
      await expectSamePages(stores, list);
    for (const list of [
      '/webhooks?limit=3&outcome=unmatched',
      '/tasks?limit=3&q=source:api',
      '/workflows?limit=3&sort=duration',
    ])
      await expectSamePages(stores, list);
    for (const path of [
      '/stats?group_by=status,day',
      '/workflows/wf-3',
      '/webhooks?since=2026-01-02T03:04:05.100Z&until=2026-01-02T03:04:05.200Z',
    ])
      await expectSame(stores, path);
  });

  test('hostile values in every parameter find nothing more, and break nothing', async () => {
    const stores = await twoStores(server);
    await stores.ingest({
      logs: [taskOf(1), delivery(1), outputLog(1, 'a " b\n'), ...workflowOf(1)],
      spans: [],
    });
    await stores.pass(SETTLED_MS);
    const hostile = [
      '" or *',
      '*',
      '\\',
      '"',
      "'",
      '`',
      'x" | delete *',
      '#',
      '{app="tasktrail"}',
      '\n',
      '@-1',
      '@1e3',
    ];
    for (const value of hostile.map(encodeURIComponent)) {
      const flow = '/tasks/task-1/logs/agent-output';
      for (const path of [
        `${flow}?after=${value}`,
        `${flow}?before=${value}`,
        `/tasks/${value}`,
        `/tasks/${value}/trace`,
      ])
        await expectSame(stores, path);
      for (const name of ['status', 'source', 'agent', 'workflow_id', 'repo', 'q', 'since', 'cursor'])
        await expectSame(stores, `/tasks?${name}=${value}`);
      for (const name of ['status', 'name', 'task_id', 'q', 'cursor'])
        await expectSame(stores, `/workflows?${name}=${value}`);
      for (const name of ['provider', 'outcome', 'task_id', 'q', 'cursor'])
        await expectSame(stores, `/webhooks?${name}=${value}`);
      await expectSame(stores, `/workflows/${value}`);
    }
  });
});

/** The ids of a list, of files. */
async function listed(
  stores: Awaited<ReturnType<typeof twoStores>>,
  path: string,
  name: string,
): Promise<readonly string[]> {
  const [{ json }] = await stores.get(path);
  return (json() as { items: Record<string, string>[] }).items.map((item) => item[name] ?? '');
}

async function expectSamePages(stores: Awaited<ReturnType<typeof twoStores>>, list: string): Promise<void> {
  let cursor = '';
  for (let page = 0; ; page += 1) {
    const path = cursor === '' ? list : `${list}&cursor=${cursor}`;
    await expectSame(stores, path);
    const [{ json }] = await stores.get(path);
    const { next_cursor: next, items } = json() as { next_cursor: string | null; items: unknown[] };
    expect(page === 0 && items.length === 0).toBe(false);
    if (next === null) return;
    cursor = next;
    expect(page).toBeLessThan(30);
  }
}

function sample(file: string): Buffer {
  return readFileSync(new URL(`../../samples/${file}`, import.meta.url));
}

/** A number that looks random, and is the same each time. */
function hashOf({ record }: ReceivedLog): number {
  let hash = 7;
  for (const unit of JSON.stringify(record)) hash = (hash * 31 + unit.charCodeAt(0)) % 1_000_003;
  return hash;
}

function named(
  number: number,
  event: string,
  body: JsonValue,
  more: Record<string, JsonValue> = {},
): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', ...more };
  return log({ event: `tasktrail.${event}`, id: eventId(number), atMs: number * 10, body, attributes });
}

function metadata(number: number, body: Record<string, JsonValue>): ReceivedLog {
  return named(number, 'task.metadata', body);
}

function result(number: number, status: string): ReceivedLog {
  const body = {
    success: status === 'completed',
    status,
    result: 'done',
    error: null,
    metrics: { cost_usd: 0.5 },
  };
  return named(number, 'task.result', body);
}

function taskOf(number: number): ReceivedLog {
  const body = {
    source: 'api',
    status: number % 3 === 0 ? 'queued' : 'running',
    created_at: `2026-01-02T03:04:${String(number + 10)}Z`,
    note: `number ${number}`,
  };
  return named(number, 'task.metadata', body, { 'tasktrail.task.id': `task-${number % 7}-${number}` });
}

function delivery(number: number): ReceivedLog {
  const day = number % 4 === 0 ? -86_400_000 : 0;
  return log({
    ...{ event: 'tasktrail.webhook.delivery', id: eventId(1_000 + number), atMs: day + number * 10 },
    body: {
      event_type: 'push',
      outcome: number % 2 === 0 ? 'unmatched' : 'accepted',
      reason: `why ${number}`,
      task_ids: [],
    },
    attributes: { 'tasktrail.webhook.provider': 'github', 'tasktrail.webhook.delivery_id': `d-${number}` },
  });
}

function workflowOf(number: number): readonly ReceivedLog[] {
  const event = (
    at: number,
    name: string,
    body: JsonValue,
    more: Record<string, JsonValue> = {},
  ): ReceivedLog =>
    log({
      ...{
        event: `tasktrail.${name}`,
        id: eventId(2_000 + number * 10 + at),
        atMs: number * 100 + at * 7,
        body,
      },
      attributes: { 'tasktrail.workflow.id': `wf-${number}`, 'tasktrail.project': 'shop', ...more },
    });
  const phase = { 'tasktrail.phase.name': 'build' };
  return [
    event(0, 'workflow_start', { work_item_id: String(number) }),
    event(1, 'phase_start', { phase: 'build' }, phase),
    event(2, 'phase_complete', { phase: 'build', status: 'success' }, phase),
    ...(number % 2 === 0 ? [event(3 + number, 'workflow_complete', { status: 'success' })] : []),
  ];
}

function toolSpan(number: number, callId: string): TelemetryBatch['spans'][number] {
  const attributes = {
    ...{ 'tasktrail.task.id': 'task-1', 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'Read' },
    ...{
      'gen_ai.tool.call.id': callId,
      'gen_ai.tool.call.arguments': '{"path":"a"}',
      'gen_ai.tool.call.result': 'text',
    },
  };
  const resource = keyValuesFromPlain({ 'service.name': 'agent' });
  return span({ id: spanId(number), attributes, resource, more: { name: 'execute_tool Read' } });
}
