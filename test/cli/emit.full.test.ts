import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { destinationsOf } from '../../src/journal/destination.ts';
import { JSON_DEPTH_MAX } from '../../src/model/json.ts';
import type { ReceivedLog } from '../../src/model/otlp.ts';
import { startReceiver } from '../../src/receive/server.ts';
import { lessInCi } from '../support/less-in-ci.ts';
import { openTrail, readLines } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { journalRecords, namesIn, runCommand, segmentsOf, startCommand, tempDir } from './run-command.ts';

const WORKFLOW = 'workflow-199-20251202T150000Z';
const STEP = '{"phase":"architect","step":{"name":"generate-spec","skill":"spec"}}';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`;

/** Each call is a process; two busy cores start about four per second. */
const MANY_TIMEOUT_MS = 300_000;

function derived(workflowId: string): string {
  return createHash('sha256').update(workflowId).digest('hex').slice(0, 32);
}

function expectNothing(cwd: string): void {
  expect(namesIn(join(cwd, 'logs'))).toEqual([]);
}

test('an event is printed as its envelope, and is pending in the journal when no service runs', async () => {
  const cwd = await tempDir();
  const { code, stdout, stderr } = await runCommand(['emit', 'step_start', WORKFLOW, STEP], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.endsWith('}\n')).toBe(true);
  const envelope: Record<string, unknown> = JSON.parse(stdout);
  expect(Object.keys(envelope)).toEqual([
    'event_type',
    'workflow_id',
    'timestamp',
    'project',
    'environment',
    'payload',
    'event_id',
    'trace_id',
    'attempt',
    'schema_version',
  ]);
  expect(envelope).toMatchObject({
    event_type: 'step_start',
    workflow_id: WORKFLOW,
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    environment: 'development',
    payload: JSON.parse(STEP),
    trace_id: derived(WORKFLOW),
    schema_version: 1,
  });
  expect(journalRecords(cwd)).toEqual([
    {
      eventName: 'tasktrail.step_start',
      body: JSON.parse(STEP),
      attributes: {
        'tasktrail.event.id': envelope.event_id,
        'tasktrail.workflow.id': WORKFLOW,
        'tasktrail.phase.name': 'architect',
        'tasktrail.step.name': 'generate-spec',
        'tasktrail.step.skill': 'spec',
        'tasktrail.span.derive': true,
      },
      traceId: derived(WORKFLOW),
      spanId: undefined,
    },
  ]);
});

test('the values of the flags are in the envelope and in the record', async () => {
  const cwd = await tempDir();
  const flags = ['--attempt', '3', '--key', 'k', '--task', 'task-1', '--project', 'p', '--environment', 'e'];
  const args = ['emit', 'workflow_start', WORKFLOW, '{"context":{"work_item_id":199},"phases":["a","b"]}'];
  const { stdout } = await runCommand([...args, ...flags], { cwd });
  const said = {
    attempt: 3,
    key: 'k',
    task_id: 'task-1',
    project: 'p',
    environment: 'e',
    phases: ['a', 'b'],
  };
  expect(JSON.parse(stdout)).toMatchObject(said);
  expect(journalRecords(cwd)[0]?.attributes).toMatchObject({
    'tasktrail.event.attempt': 3,
    'tasktrail.event.key': 'k',
    'tasktrail.task.id': 'task-1',
    'tasktrail.work_item.id': '199',
    'tasktrail.workflow.phases': ['a', 'b'],
  });
  const [segment = ''] = segmentsOf(cwd);
  expect(segment).toContain('{"key":"tasktrail.project","value":{"stringValue":"p"}}');
  expect(segment).toContain('{"key":"deployment.environment.name","value":{"stringValue":"e"}}');
});

test('missing flags default to the settings of the environment', async () => {
  const cwd = await tempDir();
  const env = {
    TASK_LOGS_TASK_ID: 'task-2',
    FRACTARY_ENV: 'staging',
    OTEL_SERVICE_NAME: 'manager',
    OTEL_RESOURCE_ATTRIBUTES: 'team=a%20b,odd=%,tasktrail.task.id=task-9',
  };
  const { stdout } = await runCommand(['emit', 'workflow_start', 'w', '--dir', join(cwd, 'logs')], {
    cwd,
    env: { ...env, TASK_LOGS_DIR: '/proc/nowhere' },
  });
  expect(JSON.parse(stdout)).toMatchObject({ task_id: 'task-2', environment: 'staging', payload: {} });
  const [segment = ''] = segmentsOf(cwd);
  for (const pair of [
    ['service.name', 'manager'],
    ['team', 'a b'],
    ['odd', '%'],
  ]) {
    expect(segment).toContain(`{"key":"${pair[0]}","value":{"stringValue":"${pair[1]}"}}`);
  }
  expect(segment).not.toContain('task-9');
});

describe('the trace', () => {
  test('is that of TRACEPARENT, whose span is the parent of the workflow', async () => {
    const cwd = await tempDir();
    const env = { TRACEPARENT };
    await runCommand(['emit', 'workflow_start', WORKFLOW], { cwd, env });
    await runCommand(['emit', 'step_start', WORKFLOW, STEP], { cwd, env });
    const records = journalRecords(cwd);
    expect(records.map(({ traceId }) => traceId)).toEqual([TRACE_ID, TRACE_ID]);
    const parents = records.map(({ attributes }) => attributes['tasktrail.span.parent_id']);
    expect(parents).toEqual(['b7ad6b7169203331', undefined]);
  });

  test('is that of the task, if its metadata can be read', async () => {
    const cwd = await tempDir();
    await mkdir(join(cwd, 'logs', 'task-1'), { recursive: true });
    await writeFile(join(cwd, 'logs', 'task-1', 'metadata.json'), JSON.stringify({ trace_id: TRACE_ID }));
    for (const task of ['task-1', 'task-2']) {
      await runCommand(['emit', 'workflow_start', WORKFLOW, '--task', task], { cwd });
    }
    expect(journalRecords(cwd).map(({ traceId }) => traceId)).toEqual([TRACE_ID, derived(WORKFLOW)]);
  });

  test('is derived from the workflow id when TRACEPARENT is malformed', async () => {
    const cwd = await tempDir();
    await runCommand(['emit', 'workflow_start', WORKFLOW], { cwd, env: { TRACEPARENT: '00-xyz-01' } });
    expect(journalRecords(cwd)[0]?.traceId).toBe(derived(WORKFLOW));
  });
});

describe('the payload', () => {
  test('is read from standard input or from a file, which may start with a byte order mark', async () => {
    const cwd = await tempDir();
    const large = JSON.stringify({ text: 'é'.repeat(2_500_000) });
    expect((await runCommand(['emit', 'decision_point', 'w', '-'], { cwd, input: large })).code).toBe(0);
    await writeFile(join(cwd, 'payload.json'), `\uFEFF${STEP}`);
    expect((await runCommand(['emit', 'step_start', 'w', '@payload.json'], { cwd })).code).toBe(0);
    const [first, second] = journalRecords(cwd).map(({ body }) => body);
    expect(JSON.stringify(first)).toBe(large);
    expect(second).toEqual(JSON.parse(STEP));
  });

  test('is kept unchanged, with unknown fields and the order of its keys', async () => {
    const cwd = await tempDir();
    const payload = '{"z":1,"__proto__":{"a":null},"phase":"a","b":[true,1.5,"x",[],{}],"":"empty"}';
    const { stdout } = await runCommand(['emit', 'phase_start', 'w', payload], { cwd });
    expect(stdout).toContain(`"payload":${payload}`);
    expect(JSON.stringify(journalRecords(cwd)[0]?.body)).toBe(payload);
  });

  test('is redacted in the output and in the journal', async () => {
    const cwd = await tempDir();
    const secret = `ghp_${'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ'.repeat(2).slice(0, 36)}`;
    const { stdout } = await runCommand(['emit', 'error', 'w', JSON.stringify({ message: secret })], { cwd });
    expect(stdout).not.toContain(secret);
    expect(segmentsOf(cwd).join()).not.toContain(secret);
    expect(journalRecords(cwd)[0]?.body).toEqual({ message: '[redacted:github-token]' });
  });

  test('is redacted by the rules of the configuration too', async () => {
    const cwd = await tempDir();
    const rules = [{ name: 'badge-number', pattern: 'BADGE-[0-9]{6}' }];
    writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify({ redact: { rules } }));
    await runCommand(['emit', 'error', 'w', '{"message":"BADGE-123456"}'], { cwd });
    expect(journalRecords(cwd)[0]?.body).toEqual({ message: '[redacted:badge-number]' });
  });
});

const deep = `${'{"a":'.repeat(JSON_DEPTH_MAX)}{}${'}'.repeat(JSON_DEPTH_MAX)}`;

test.each<readonly [string, readonly string[], string]>([
  ['no word', [], 'event_type is missing'],
  ['no workflow', ['step_start'], 'workflow_id is missing'],
  ['an unknown type', ['step_begin', 'w'], 'event_type "step_begin" is unknown: use workflow_start, '],
  [
    'a type that names a property of every object',
    ['constructor', 'w'],
    'event_type "constructor" is unknown',
  ],
  ['a missing field', ['phase_start', 'w', '{}'], 'payload.phase: is missing'],
  ['several bad fields', ['step_start', 'w', '{"step":{"name":1}}'], 'payload.step.name: expected string'],
  ['text that is no JSON', ['error', 'w', '{}}'], 'payload: is not JSON: '],
  ['an array', ['error', 'w', '[]'], 'payload: must be a JSON object'],
  ['a missing file', ['error', 'w', '@no.json'], 'payload: cannot read the file "no.json": ENOENT'],
  ['a payload that is too deep', ['error', 'w', deep], 'payload: nests deeper than 64 levels'],
  ['a path for an id', ['error', '../w'], 'workflow id "../w" is not valid'],
  ['a reserved id', ['error', '_feed'], 'workflow id "_feed" is not valid'],
  ['an id with the suffix of span files', ['error', 'w.trace'], 'must not end in ".trace"'],
  ['a line break in an id', ['error', 'w\nx'], 'workflow id "w\\nx" is not valid'],
  ['a path for a task', ['error', 'w', '--task', '../t'], 'task id "../t" is not valid'],
  ['an attempt of 0', ['error', 'w', '--attempt', '0'], '--attempt: use a whole number from 1'],
  [
    'an attempt that is no number',
    ['error', 'w', '--attempt', '1.5'],
    '--attempt: use a whole number from 1',
  ],
  ['an empty key', ['error', 'w', '--key', ''], '--key: must not be empty'],
  ['an empty project', ['error', 'w', '--project', ' '], '--project: must not be empty'],
  ['a flag without its value', ['error', 'w', '--key'], '--key'],
  ['an unknown flag', ['error', 'w', '--colour', 'red'], "Unknown option '--colour'"],
  ['a payload without quotes', ['error', 'w', '{"a":', '1}'], 'unexpected argument "1}" after the payload'],
])('%s is rejected by name with exit code 2, and nothing is written', async (_what, words, message) => {
  const cwd = await tempDir();
  const run = await runCommand(['emit', ...words], { cwd });
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain(message);
  expect(run.stderr).toMatch(/^tasktrail: /);
  expectNothing(cwd);
});

test.each([
  ['nothing', '', 'payload: is not JSON: '],
  [
    'more than fits',
    JSON.stringify({ text: 'x'.repeat(9_000_000) }),
    'payload: must be at most 8388608 bytes',
  ],
  ['a text far above the limit', ' '.repeat(20_000_000), 'payload: must be at most 8388608 bytes'],
])('%s on standard input is rejected, and nothing is written', async (_what, input, message) => {
  const cwd = await tempDir();
  const run = await runCommand(['emit', 'error', 'w', '-'], { cwd, input });
  expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  expectNothing(cwd);
});

test('an invalid setting is rejected like an invalid argument', async () => {
  const cwd = await tempDir();
  const { code, stderr } = await runCommand(['emit', 'error', 'w'], {
    cwd,
    env: { TASK_LOGS_STORE: 'perhaps' },
  });
  expect(code).toBe(2);
  expect(stderr).toContain('TASK_LOGS_STORE: ');
  expectNothing(cwd);
});

test.each([
  ['TASK_LOGS_ENABLED', 'TASK_LOGS_ENABLED is false'],
  ['TASK_LOGS_EMIT_WORKFLOW_EVENTS', 'emit_workflow_events'],
])('%s=false checks the arguments, prints the reason and records nothing', async (name, message) => {
  const cwd = await tempDir();
  const env = { [name]: 'false' };
  const run = await runCommand(['emit', 'step_start', WORKFLOW, STEP], { cwd, env });
  expect(run).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining(message) });
  expect(await runCommand(['emit', 'step_start', WORKFLOW], { cwd, env })).toMatchObject({
    code: 2,
    stdout: '',
  });
  expectNothing(cwd);
});

test('the configuration file can switch workflow events off', async () => {
  const cwd = await tempDir();
  await writeFile(join(cwd, 'tasktrail.config.json'), '{"logging": {"emit_workflow_events": false}}');
  expect(await runCommand(['emit', 'error', 'w'], { cwd })).toMatchObject({ code: 0, stdout: '' });
  expectNothing(cwd);
});

test('an unwritable directory is exit code 1 with the reason, and nothing on stdout', async () => {
  const cwd = await tempDir();
  await writeFile(join(cwd, 'logs'), 'a file');
  const run = await runCommand(['emit', 'error', 'w'], { cwd });
  expect(run).toMatchObject({ code: 1, stdout: '' });
  expect(run.stderr).toMatch(/^tasktrail: TASK_LOGS_DIR: cannot write to \S+: /);
});

test('the event is recorded although the reader of stdout is gone', async () => {
  const cwd = await tempDir();
  const { child, ended } = startCommand(['emit', 'decision_point', 'w', '-'], { cwd });
  child.stdout?.destroy();
  child.stdin?.end(JSON.stringify({ text: 'x'.repeat(1_000_000) }));
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
  expect(journalRecords(cwd)).toHaveLength(1);
});

test('Ctrl-C while it waits for the payload ends it, and nothing is written', async () => {
  const cwd = await tempDir();
  const { child, ended } = startCommand(['emit', 'error', 'w', '-'], { cwd });
  // More than the pipe buffer holds: a completed write means that the command reads.
  await new Promise((resolve) => child.stdin?.write(`{"message":"${'x'.repeat(300_000)}`, resolve));
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ signal: 'SIGINT', stdout: '' });
  expectNothing(cwd);
});

/** Calls at the same time. */
const CALLS = lessInCi(200, 60);

test(`${CALLS} concurrent calls for one workflow are as many events, each once`, {
  timeout: MANY_TIMEOUT_MS,
}, async () => {
  const cwd = await tempDir();
  const runs = Array.from({ length: CALLS }, (_, index) =>
    runCommand(
      ['emit', 'step_start', WORKFLOW, JSON.stringify({ phase: 'a', step: { name: `s${index}` } })],
      {
        cwd,
      },
    ),
  );
  const codes = (await Promise.all(runs)).map(({ code }) => code);
  expect(new Set(codes)).toEqual(new Set([0]));
  expect(segmentsOf(cwd)).toHaveLength(CALLS);
  const trail = await openTrail(join(cwd, 'logs'));
  try {
    const path = join(cwd, 'logs', '_workflow', '2025', '12', `${WORKFLOW}.jsonl`);
    const lines = await until(
      async () => ((await readLines(path)).length >= CALLS ? readLines(path) : undefined),
      'each stored event',
    );
    expect(lines).toHaveLength(CALLS);
    expect(new Set(lines.map(({ event_id }) => event_id)).size).toBe(CALLS);
    await until(() => segmentsOf(cwd).length === 0, 'the journal to be empty');
  } finally {
    await trail.shutdown();
  }
});

test('the printed envelope equals the stored one, except for attempts that the store assigns', async () => {
  const cwd = await tempDir();
  const trail = await openTrail(join(cwd, 'logs'));
  try {
    const payload = JSON.stringify({ context: { work_item_id: null }, nested: { list: [1, 'a', null] } });
    const { stdout } = await runCommand(['emit', 'workflow_start', WORKFLOW, payload, '--task', 'task-1'], {
      cwd,
    });
    const path = join(cwd, 'logs', '_workflow', '2025', '12', `${WORKFLOW}.jsonl`);
    const [line] = await until(async () => {
      const lines = await readLines(path);
      return lines.length === 1 ? lines : undefined;
    }, 'the stored event');
    expect(line).toEqual({ ...JSON.parse(stdout), attempt: 1 });
  } finally {
    await trail.shutdown();
  }
});

describe('with an endpoint', () => {
  /** Refuses the events of workflows with this id. */
  async function endpoint(
    refusedId = '',
  ): Promise<{ url: string; logs: ReceivedLog[]; close(): Promise<void> }> {
    const logs: ReceivedLog[] = [];
    const receiver = await startReceiver({
      host: '127.0.0.1',
      port: 0,
      sink: {
        ingest: async (batch) => {
          const refused = batch.logs.filter(({ record }) =>
            JSON.stringify(record).includes(`"${refusedId}"`),
          );
          logs.push(...batch.logs);
          const reasons = refused.map(() => `workflow ${refusedId} is not yours`);
          return { rejected: refused.length, reasons };
        },
      },
    });
    return { url: receiver.url, logs, close: () => receiver.close(0) };
  }

  test('the endpoint has the event when the command ends, and the event is still pending for the holder', async () => {
    const cwd = await tempDir();
    const { url, logs, close } = await endpoint();
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url };
      const { code } = await runCommand(['emit', 'step_start', WORKFLOW, STEP], { cwd, env });
      expect(code).toBe(0);
      expect(logs.map(({ record }) => record.eventName)).toEqual(['tasktrail.step_start']);
      expect(logs[0]?.record.traceId).toBe(derived(WORKFLOW));
      expect(journalRecords(cwd)).toHaveLength(1);
    } finally {
      await close();
    }
  });

  test('and no store, nothing is pending after the delivery', async () => {
    const cwd = await tempDir();
    const { url, logs, close } = await endpoint();
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, TASK_LOGS_STORE: 'false' };
      await runCommand(['emit', 'step_start', WORKFLOW, STEP], { cwd, env });
      expect(logs).toHaveLength(1);
      expect(namesIn(join(cwd, 'logs', '_journal'))).toEqual([]);
    } finally {
      await close();
    }
  });

  test('that refuses the event, the command says why and exits with 3', async () => {
    const cwd = await tempDir();
    const { url, close } = await endpoint('wf-foreign');
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, TASK_LOGS_STORE: 'false' };
      const { code, stdout, stderr } = await runCommand(['emit', 'step_start', 'wf-foreign', STEP], {
        cwd,
        env,
      });
      expect(stderr).toBe(`tasktrail: refused by ${url}/: workflow wf-foreign is not yours\n`);
      expect(code).toBe(3);
      expect(JSON.parse(stdout)).toMatchObject({ workflow_id: 'wf-foreign' });
      const started = await runCommand(['workflow', 'start', '--id', 'wf-foreign'], { cwd, env });
      expect({ ...started, stderr: started.stderr.replaceAll(url, '') }).toMatchObject({
        code: 3,
        stdout: 'wf-foreign\n',
        stderr: 'tasktrail: refused by /: workflow wf-foreign is not yours\n',
      });
    } finally {
      await close();
    }
  });

  test('that refuses a copy of what the log directory stores, the command says so and exits with 0', async () => {
    const cwd = await tempDir();
    const { url, close } = await endpoint('wf-foreign');
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url };
      const { code, stderr } = await runCommand(['emit', 'step_start', 'wf-foreign', STEP], { cwd, env });
      expect({ code, stderr }).toEqual({
        code: 0,
        stderr: `tasktrail: refused by ${url}/: workflow wf-foreign is not yours\n`,
      });
      expect(journalRecords(cwd)).toHaveLength(1);
    } finally {
      await close();
    }
  });

  test('of several commands at once, only the one whose event is refused exits with 3', async () => {
    const cwd = await tempDir();
    const { url, close } = await endpoint('wf-3');
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, TASK_LOGS_STORE: 'false' };
      const ids = ['wf-1', 'wf-2', 'wf-3', 'wf-4', 'wf-5', 'wf-6'];
      const runs = await Promise.all(
        ids.map((id) => runCommand(['emit', 'step_start', id, STEP], { cwd, env })),
      );
      expect(runs.map(({ code }) => code)).toEqual([0, 0, 3, 0, 0, 0]);
    } finally {
      await close();
    }
  }, 60_000);

  test('that is down, the event is pending under the endpoint key that a service uses', async () => {
    const cwd = await tempDir();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:word@127.0.0.1:9/base' };
    const { code, stdout } = await runCommand(['emit', 'step_start', WORKFLOW, STEP], { cwd, env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ event_type: 'step_start' });
    const [header = ''] = (segmentsOf(cwd)[0] ?? '').split('\n');
    const { destinations } = JSON.parse(header.slice(1)) as { destinations: string[] };
    expect(destinations).toEqual(destinationsOf(loadConfig({ env, cwd })));
    expect(destinations).toEqual(['holder', 'http://127.0.0.1:9/base']);
  });
});

test('--help lists every flag and every type', async () => {
  const cwd = await tempDir();
  const { code, stdout } = await runCommand(['emit', '--help'], { cwd });
  expect(code).toBe(0);
  for (const word of [
    '--attempt',
    '--key',
    '--task',
    '--project',
    '--environment',
    '--dir',
    'approval_granted',
  ])
    expect(stdout).toContain(word);
});
