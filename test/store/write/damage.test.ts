import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseObject } from '../../../src/model/json.ts';
import { keyValuesFromPlain, type ReceivedLog } from '../../../src/model/otlp.ts';
import { runRetention } from '../../../src/store/keep/retention.ts';
import { Tombstones } from '../../../src/store/keep/tombstones.ts';
import { DAMAGES, missingFrom } from '../../support/damages.ts';
import { documentOf, filesIn, newStore, openStore, type TestStore } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId } from '../../support/records.ts';

const DAY_MS = 86_400_000;

const TASK_FILES = [
  'metadata.json',
  '01-input.json',
  '02-webhook-flow.jsonl',
  '03-agent-output.jsonl',
  '04-final-result.json',
  'trace.jsonl',
  'facts.jsonl',
] as const;

const DOCUMENTS: readonly string[] = ['metadata.json', '01-input.json', '04-final-result.json'];

function record(number: number, event: string, body: ReceivedLog['record']['body']): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.task.attempt': 2 };
  return log({
    event: `tasktrail.${event}`,
    id: eventId(number),
    atMs: number,
    body: body ?? null,
    attributes,
  });
}

function stage(number: number, name: string): ReceivedLog {
  const attributes = { 'tasktrail.task.id': 'task-1', 'tasktrail.webhook.stage': name };
  return log({ event: `tasktrail.webhook.${name}`, id: eventId(number), atMs: number, attributes });
}

/** A model call, which only telemetry reports. */
const CALL = span({
  id: spanId(7),
  attributes: {
    'tasktrail.task.id': 'task-1',
    'tasktrail.task.attempt': 2,
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'm-9',
    'gen_ai.response.model': 'm-9',
    'gen_ai.usage.input_tokens': 120,
    'gen_ai.usage.output_tokens': 30,
  },
  resource: keyValuesFromPlain({ 'service.name': 'agent' }),
});

/** A settled task of two attempts, and its files while the first one ran. */
async function settledTask(): Promise<{ store: TestStore; dir: string; older: Record<string, string> }> {
  const store = await newStore();
  const dir = join(store.dir, 'task-1');
  await store.logs(
    stage(1, 'received'),
    log({
      event: 'tasktrail.task.metadata',
      id: eventId(2),
      atMs: 2,
      body: { status: 'running', source: 'webhook', provider: 'github', created_at: '2026-01-02T03:04:04Z' },
    }),
    outputLog(4),
  );
  const older = filesIn(dir);
  await store.logs(
    stage(5, 'queue_push'),
    record(6, 'task.input', { message: 'review it', source_metadata: { repo: 'acme/shop' } }),
    record(7, 'task.metadata', {
      status: 'running',
      started_at: '2026-01-02T03:04:05Z',
      own: { field: [1] },
    }),
    outputLog(8),
    outputLog(9),
    record(10, 'task.result', {
      ...{ success: true, status: 'completed', result: 'looks good', exit_code: 0, own_result: 'x' },
      completed_at: '2026-01-02T03:04:05.020Z',
      metrics: { cost_usd: 0.25, duration_seconds: 3 },
    }),
  );
  await store.sendSpans(span({ id: spanId(1) }), CALL, span({ id: spanId(2) }));
  await store.pass(12_000);
  expect(parseObject(readFileSync(join(dir, 'metadata.json'), 'utf8'))).toMatchObject({
    ...{ status: 'completed', settled: true, model: 'm-9', attempt: 2 },
  });
  return { store, dir, older };
}

/** A start, some days, compression, a start, a late record, a start. */
async function goOn(dir: string): Promise<void> {
  let again = openStore(dir);
  await again.store.recover();
  await again.pass(12_000);
  await again.pass(DAY_MS);
  await runRetention({
    ...{
      logDir: dir,
      workflowDir: join(dir, '_workflow'),
      taskDays: 300,
      workflowDays: 300,
      compressDays: 1,
    },
    nowMs: Date.parse('2026-02-10T00:00:00Z'),
    tombstones: await Tombstones.open(dir),
  });
  again = openStore(dir);
  await again.store.recover();
  await again.logs(outputLog(8));
  await again.pass(12_000);
}

const TASK_CASES = TASK_FILES.flatMap((file) =>
  Object.keys(DAMAGES).map((damage) => [file, damage] as const),
);

test.for(TASK_CASES)('%s %s: no file says less', async ([file, damage]) => {
  const { store, dir, older } = await settledTask();
  const before = filesIn(dir);
  DAMAGES[damage]?.(join(dir, file), older[file]);
  const damaged = existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '';
  await goOn(store.dir);
  const after = filesIn(dir);
  for (const name of DOCUMENTS) {
    const { schema_version: _version, ...said } = parseObject(before[name]) ?? {};
    expect(missingFrom(said, parseObject(after[name])), name).toEqual([]);
  }
  // Those that are whole stay as they were.
  for (const name of TASK_FILES) if (name !== file) expect(after[name], name).toBe(before[name]);
  if (DOCUMENTS.includes(file)) {
    // What a newer version said is kept.
    if (damage.includes('newer') && !damage.includes('other names'))
      expect(missingFrom(parseObject(damaged), parseObject(after[file])).join()).toEqual('');
    if (damage.includes('not known')) expect(after[file]).toBe(damaged);
  } else {
    // Every whole line is kept, also one of an unknown form.
    const kept = after[file]?.split('\n') ?? [];
    for (const line of damaged.split('\n')) if (parseObject(line) !== undefined) expect(kept).toContain(line);
  }
});

const WORKFLOW = 'workflow-199-20260102T030405Z-ab12';
const MONTH = join('_workflow', '2026', '01');
const WORKFLOW_FILES = ['.jsonl', '.json', '.facts', '.trace.jsonl', '.uploaded'] as const;

function event(number: number, type: string, body: ReceivedLog['record']['body'] = {}): ReceivedLog {
  const attributes = { 'tasktrail.workflow.id': WORKFLOW };
  return log({ event: `tasktrail.${type}`, id: eventId(number), atMs: number, body, attributes });
}

/** A settled workflow whose document has two revisions, and its files in the middle. */
async function settledWorkflow(): Promise<{ store: TestStore; dir: string; older: Record<string, string> }> {
  const store = await newStore();
  const dir = join(store.dir, MONTH);
  await store.logs(event(0, 'workflow_start'), event(1, 'phase_start', { phase: 'build', steps: ['test'] }));
  const older = filesIn(dir);
  await store.logs(
    event(2, 'step_start', { phase: 'build', step: { name: 'test' } }),
    event(3, 'step_complete', { phase: 'build', step: { name: 'test', status: 'success' } }),
    event(4, 'phase_complete', { phase: 'build', status: 'success' }),
    event(6, 'workflow_complete', { status: 'success' }),
  );
  await store.sendSpans(
    ...[1, 2].map((id) => span({ id: spanId(id), attributes: { 'tasktrail.workflow.id': WORKFLOW } })),
  );
  await store.pass(12_000);
  await store.logs(event(5, 'artifact_create', { artifact: { type: 'spec', path: '/x.md' }, step: 'test' }));
  await store.pass(12_000);
  await store.pass(60_000);
  const mark = {
    bucket: 'b',
    key: `k/${WORKFLOW}.json`,
    revision: 2,
    verified_at: '2026-01-02T04:00:00.000Z',
  };
  writeFileSync(join(dir, `${WORKFLOW}.uploaded`), `${JSON.stringify({ ...mark, schema_version: 1 })}\n`);
  expect(documentOf(dir, `${WORKFLOW}.json`)).toMatchObject({ revision: 2 });
  return { store, dir, older };
}

async function goOnWorkflow(dir: string): Promise<void> {
  for (const late of [[], [event(3, 'step_complete', { phase: 'build', step: { name: 'test' } })]]) {
    const again = openStore(dir);
    await again.store.recover();
    await again.logs(...late);
    await again.pass(12_000);
    await again.pass(60_000);
  }
}

const WORKFLOW_CASES = WORKFLOW_FILES.flatMap((file) =>
  Object.keys(DAMAGES).map((damage) => [file, damage] as const),
);

test.for(WORKFLOW_CASES)('<workflow_id>%s %s: no file says less', async ([suffix, damage]) => {
  const { store, dir, older } = await settledWorkflow();
  const file = WORKFLOW + suffix;
  const before = filesIn(dir);
  DAMAGES[damage]?.(join(dir, file), older[file]);
  const damaged = existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '';
  await goOnWorkflow(store.dir);
  const after = filesIn(dir);
  const name = `${WORKFLOW}.json`;
  const { schema_version: _version, revision, ...said } = parseObject(before[name]) ?? {};
  const now = parseObject(after[name]);
  // A revision number is not used for two documents.
  expect(now?.revision).toBeGreaterThanOrEqual(Number(revision));
  // Its events have the fields of the newer version too.
  if (suffix === '.json' && damage.includes('newer')) delete (said as { events?: unknown }).events;
  expect(missingFrom(said, now)).toEqual([]);
  for (const other of WORKFLOW_FILES)
    if (other !== suffix) expect(after[WORKFLOW + other], other).toBe(before[WORKFLOW + other]);
  if (suffix === '.json' || suffix === '.uploaded') {
    if (damage.includes('newer') && !damage.includes('other names'))
      expect(missingFrom(parseObject(damaged), parseObject(after[file])).join()).toEqual('');
    return;
  }
  const kept = after[file]?.split('\n') ?? [];
  for (const line of damaged.split('\n')) if (parseObject(line) !== undefined) expect(kept).toContain(line);
});
