import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dashboardQueries } from '../support/dashboard-queries.ts';
import { attribute, readDeliveries, readLines, readSpans, type StoredSpan } from '../support/receiver.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { pathOf, shapeOfTask } from './directory-shape.ts';
import { traceOf } from './jaeger.ts';
import { query, queryRange } from './prometheus.ts';
import { RAW_BUCKET, Rig, WORKFLOW_BUCKET } from './rig.ts';
import { pythonAgent, telemetrygen } from './senders.ts';

const GOOD = '@agent review this change';
const BAD = '@agent break it';

let rig: Rig;
let producer: ServiceProcess;
/** The same two tasks: with a single service, and with a producer that sends through the collector to a holder. */
const alone = { good: '', bad: '' };
const through = { good: '', bad: '' };

beforeAll(async () => {
  rig = await Rig.open({ jaeger: true, prometheus: true, s3: true });
  const service = await rig.start('alone', 'start', { OTEL_EXPORTER_OTLP_ENDPOINT: '' });
  alone.good = await service.sendComment(GOOD);
  alone.bad = await service.sendComment(BAD);
  for (const id of [alone.good, alone.bad]) await rig.settled('alone', id);
  // One after the other, because both use the same Redis.
  await service.stop();
  await rig.holder();
  producer = await rig.producer();
  through.good = await producer.sendComment(GOOD);
  through.bad = await producer.sendComment(BAD);
  await rig.settled('holder', through.good);
  await rig.settled('holder', through.bad);
}, 300_000);

afterAll(() => rig?.close(), 60_000);

test.each(['good', 'bad'] as const)(
  'a task (%s) recorded through the collector has the same directory as with a single service',
  async (which) => {
    const mine = await shapeOfTask(rig.logDir('holder'), through[which]);
    expect(mine).toEqual(await shapeOfTask(rig.logDir('alone'), alone[which]));
    // The comparison was not of empty directories.
    expect((await readSpans(rig.logDir('holder'), through[which])).length).toBeGreaterThan(5);
  },
);

test('each delivery is one line', async () => {
  const lines = await readDeliveries(rig.logDir('holder'));
  expect(lines.map(({ task_ids: ids }) => ids)).toEqual([[through.good], [through.bad]]);
});

test('a producer writes no task directory', async () => {
  expect(await readDeliveries(rig.logDir('producer'))).toEqual([]);
  await expect(readSpans(rig.logDir('producer'), through.good)).resolves.toEqual([]);
});

test('Jaeger has one trace with the same spans as the files', async () => {
  const stored = await readSpans(rig.logDir('holder'), through.good);
  const [{ traceId = '' } = {}] = stored;
  const spans = await inJaeger(traceId, stored.length);
  expect(spans.map(comparable).sort(byId)).toEqual(stored.map(comparable).sort(byId));
  expect(new Set(spans.map((span) => pathOf(span, spans)))).toEqual(
    new Set([
      '/POST /webhooks/github',
      '/POST /webhooks/github/send agent',
      '/POST /webhooks/github/send agent/process agent',
      '/POST /webhooks/github/send agent/process agent/workflow review',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase architect',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase architect/step plan',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase architect/step plan/invoke_agent numbered',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase architect/step plan/invoke_agent numbered/execute_tool Bash',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build/step write',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build/step write/invoke_agent numbered',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build/step write/invoke_agent numbered/execute_tool Bash',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build/step check',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build/step check/invoke_agent numbered',
      '/POST /webhooks/github/send agent/process agent/workflow review/phase build/step check/invoke_agent numbered/execute_tool Bash',
    ]),
  );
  const root = spans.find(({ name }) => name === 'POST /webhooks/github');
  const stages = [
    'received',
    'validation',
    'command_matching',
    'task_created',
    'queue_push',
    'immediate_response',
  ];
  expect(root?.events?.map(({ name }) => name).sort()).toEqual(
    stages.map((stage) => `tasktrail.webhook.${stage}`).sort(),
  );
  const agent = spans.find(({ name }) => name === 'invoke_agent numbered');
  expect(agent && attribute(agent, 'gen_ai.usage.output_tokens')).toBe('7');
  expect(agent && attribute(agent, 'tasktrail.task.id')).toBe(through.good);
});

test('in Jaeger, a failed agent and its parent spans up to the attempt have error status and type', async () => {
  const stored = await readSpans(rig.logDir('holder'), through.bad);
  const spans = await inJaeger(stored[0]?.traceId ?? '', stored.length);
  const failed = spans.filter(({ status }) => status?.code === 2);
  expect(failed.map(({ name }) => name).sort()).toEqual([
    'invoke_agent broken',
    'phase build',
    'process agent',
    'step run-agent',
    'workflow break',
  ]);
  const types = failed.map((span) => [span.name, attribute(span, 'error.type')]);
  expect(Object.fromEntries(types)).toMatchObject({
    'invoke_agent broken': 'exit_code',
    'step run-agent': 'ERR_AGENT_FAILED',
    'process agent': 'exit_code',
  });
});

test('the raw archive has every record and span, and the workflow bucket has the document', async () => {
  const ids = new Set<string>();
  for (const name of ['02-webhook-flow.jsonl', '03-agent-output.jsonl', 'facts.jsonl'])
    for (const { event_id: id } of await readLines(join(rig.logDir('holder'), through.good, name)))
      ids.add(String(id));
  for (const { spanId } of await readSpans(rig.logDir('holder'), through.good)) ids.add(spanId);
  expect(ids.size).toBeGreaterThan(100);
  const missing = async (): Promise<string[]> => {
    const objects = await rig.s3?.objectsIn(RAW_BUCKET, 'raw/');
    const now = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
    for (const key of objects?.keys() ?? [])
      expect(key).toMatch(
        new RegExp(`^raw/${now.slice(0, 7)}/\\d\\d/\\d\\d/(logs|traces)_[0-9a-f-]{36}\\.json\\.gz$`),
      );
    const text = [...(objects?.values() ?? [])].join('\n');
    return [...ids].filter((id) => !text.includes(id));
  };
  await expect.poll(missing, { timeout: 120_000, interval: 500 }).toEqual([]);
  const metadata = await rig.settled('holder', through.good);
  const [workflowId] = metadata.workflow_ids as readonly string[];
  const documents = await until(async () => {
    const found = await rig.s3?.objectsIn(WORKFLOW_BUCKET, 'workflow/');
    return [...(found ?? [])].find(([key]) => key.endsWith(`/${workflowId}.json`));
  }, 'the document');
  expect(JSON.parse(documents[1])).toMatchObject({
    workflow_id: workflowId,
    event_type: 'workflow_complete',
  });
}, 120_000);

test('records of the Python SDK are stored in the directory of their task', async () => {
  const { code, stderr } = await pythonAgent({ endpoint: rig.collector.url, taskId: 'task-python' });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const dir = join(rig.logDir('holder'), 'task-python');
  const lines = await until(async () => {
    const found = await readLines(join(dir, '03-agent-output.jsonl'));
    return found.length === 4 ? found : undefined;
  }, 'four lines of the Python agent');
  expect(lines.map(({ type }) => type)).toEqual(['system', 'system', 'system', 'system']);
  expect(lines.map(({ content }) => content)).toContain('I begin: größer als ASCII');
  const spans = await until(async () => {
    const found = await readSpans(rig.logDir('holder'), 'task-python');
    return found.length === 4 ? found : undefined;
  }, 'its four spans');
  expect(spans.map((span) => pathOf(span, spans)).sort()).toEqual([
    '/invoke_agent python-agent',
    '/invoke_agent python-agent/chat model-1',
    '/invoke_agent python-agent/execute_tool broken',
    '/invoke_agent python-agent/execute_tool search',
  ]);
  expect(spans.find(({ name }) => name.endsWith('broken'))?.status?.code).toBe(2);
});

test('records of telemetrygen are stored in the directory of their task', async () => {
  const common = ['--otlp-endpoint', rig.collector.grpc, '--otlp-insecure', '--workers', '1', '--rate', '0'];
  const task = ['--otlp-attributes', 'tasktrail.task.id="task-load"'];
  const traces = await telemetrygen(['traces', ...common, ...task, '--traces', '50']);
  const logs = await telemetrygen(['logs', ...common, ...task, '--logs', '200']);
  expect([traces.code, logs.code], traces.stderr + logs.stderr).toEqual([0, 0]);
  const counts = async (): Promise<readonly number[]> => [
    (await readSpans(rig.logDir('holder'), 'task-load')).length,
    (await readLines(join(rig.logDir('holder'), 'task-load', '03-agent-output.jsonl'))).length,
  ];
  // Two spans per trace.
  await expect.poll(counts).toEqual([100, 200]);
});

test('every query of the dashboards and alerts returns data', async () => {
  // Rates need two scrapes with different counter values.
  const ids = [await producer.sendComment(GOOD), await producer.sendComment(BAD)];
  for (const id of ids) await rig.settled('holder', id);
  const prometheus = rig.prometheus?.url ?? '';
  const silent = async (): Promise<string[]> => {
    const out: string[] = [];
    for (const { dashboard, panel, kind, expr } of dashboardQueries({ rateInterval: '1m', range: '10m' })) {
      const found = await (kind === 'instant' ? query(prometheus, expr) : queryRange(prometheus, expr));
      if (found.length === 0) out.push(`${dashboard}: ${panel}: ${expr}`);
    }
    return out;
  };
  await expect.poll(silent, { timeout: 120_000, interval: 2_000 }).toEqual([]);
}, 180_000);

test('tokens are counted once', async () => {
  const [result] = await readLines(join(rig.logDir('holder'), through.good, '04-final-result.json'));
  const metrics = result?.metrics as Record<string, number>;
  const labels = '{gen_ai_agent_name="numbered",gen_ai_token_type="output"}';
  const tasks = await query(
    rig.prometheus?.url ?? '',
    'sum(tasktrail_tasks_ended_total{tasktrail_task_status="completed"})',
  );
  const tokens = await query(rig.prometheus?.url ?? '', `sum(tasktrail_tokens_total${labels})`);
  expect(tokens[0]?.value).toBe((metrics.output_tokens ?? 0) * (tasks[0]?.value ?? 0));
});

function inJaeger(traceId: string, count: number): Promise<readonly StoredSpan[]> {
  return until(async () => {
    const spans = await traceOf(rig.jaeger?.url ?? '', traceId);
    return spans.length >= count ? spans : undefined;
  }, `${count} spans in Jaeger`);
}

/** The parts of a span that Jaeger must return unchanged. */
function comparable({
  traceId,
  spanId,
  parentSpanId = '',
  name,
  kind,
  status,
  attributes,
  events = [],
}: StoredSpan): object {
  const sorted = [...attributes].sort((a, b) => a.key.localeCompare(b.key));
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    kind,
    code: status?.code ?? 0,
    attributes: JSON.stringify(sorted),
    // Jaeger sorts events, and some have the same millisecond.
    events: events.map((event) => event.name).sort(),
  };
}

function byId(a: object, b: object): number {
  return JSON.stringify(a).localeCompare(JSON.stringify(b));
}
