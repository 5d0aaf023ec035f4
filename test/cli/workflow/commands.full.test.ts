import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { derivedSpanId } from '../../../src/model/workflow-span.ts';
import { resumeWorkflow } from '../../../src/trail/resume-workflow.ts';
import { MAIN } from '../../support/built.ts';
import { openTrail } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import {
  type Env,
  journalRecords,
  namesIn,
  type Run,
  runCommand,
  startCommand,
  tempDir,
} from '../run-command.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

interface Shell {
  readonly cwd: string;
  /** `tasktrail workflow ...`. */
  workflow(...words: readonly string[]): Promise<Run>;
}

async function shell(env: Env = {}): Promise<Shell> {
  const cwd = await tempDir();
  return { cwd, workflow: (...words) => runCommand(['workflow', ...words], { cwd, env }) };
}

/** Each event in short: type, node, attempt and status. */
function story(cwd: string): string[] {
  return journalRecords(cwd).map(({ eventName, attributes, body }) => {
    const place = [attributes['tasktrail.phase.name'], attributes['tasktrail.step.name']]
      .filter(Boolean)
      .join('/');
    const step: unknown = Reflect.get(Object(body), 'step');
    const status: unknown = Reflect.get(Object(body), 'status') ?? Reflect.get(Object(step), 'status');
    const words = [eventName.replace('tasktrail.', ''), place, attributes['tasktrail.event.attempt'], status];
    return words.filter((word) => word !== undefined && word !== '').join(' ');
  });
}

function payloadsOf(cwd: string, type: string): unknown[] {
  return journalRecords(cwd)
    .filter(({ eventName }) => eventName === `tasktrail.${type}`)
    .map(({ body }) => body);
}

const A_NUMBER: unknown = expect.any(Number);

test('a whole workflow from names alone: each command ends the open nodes before it', async () => {
  const { cwd, workflow } = await shell();
  const started = await workflow(
    'start',
    '--name',
    'feature',
    '--work-item',
    '199',
    '--branch',
    'b',
    '--phases',
    'frame,build',
  );
  expect(started).toMatchObject({ code: 0, stderr: '' });
  const id = started.stdout.trim();
  expect(id).toMatch(/^workflow-199-\d{8}T\d{6}Z-[a-z0-9]{4}$/);
  for (const words of [
    ['phase', 'frame', '--steps', 'read, plan'],
    ['step', 'read', '--skill', 'reader'],
    ['artifact', 'notes', '/notes.md', '--metadata', '{"pages":2}'],
    ['step', 'plan'],
    ['phase', 'build'],
    ['step', 'code'],
    ['artifact', 'pr', '--url', 'https://example.org/1'],
    ['done', '--status', 'warning'],
    ['complete'],
  ]) {
    expect(await workflow(...words)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  }
  expect(story(cwd)).toEqual([
    'workflow_start 1',
    'phase_start frame 1',
    'step_start frame/read 1',
    'artifact_create frame/read 1',
    'step_complete frame/read 1 success',
    'step_start frame/plan 1',
    'step_complete frame/plan 1 success',
    'phase_complete frame 1 success',
    'phase_start build 1',
    'step_start build/code 1',
    'artifact_create build/code 1',
    'step_complete build/code 1 warning',
    'phase_complete build 1 success',
    'workflow_complete 1 success',
  ]);
  expect(payloadsOf(cwd, 'workflow_start')).toEqual([
    { context: { work_item_id: '199', branch: 'b', autonomy_level: null } },
  ]);
  expect(payloadsOf(cwd, 'phase_start')[0]).toEqual({ phase: 'frame', steps: ['read', 'plan'] });
  expect(payloadsOf(cwd, 'step_start')[0]).toEqual({
    phase: 'frame',
    step: { name: 'read', skill: 'reader' },
  });
  expect(payloadsOf(cwd, 'artifact_create')).toEqual([
    { artifact: { type: 'notes', path: '/notes.md', metadata: { pages: 2 } }, step: 'read' },
    { artifact: { type: 'pr', url: 'https://example.org/1', metadata: {} }, step: 'code' },
  ]);
  expect(payloadsOf(cwd, 'step_complete')[0]).toEqual({
    phase: 'frame',
    step: { name: 'read', skill: 'reader', status: 'success', duration_ms: A_NUMBER, error: null },
    artifacts: [{ type: 'notes', path: '/notes.md' }],
  });
  expect(payloadsOf(cwd, 'phase_complete')[0]).toEqual({
    phase: 'frame',
    status: 'success',
    duration_ms: A_NUMBER,
    steps_completed: 2,
    artifacts_created: 1,
  });
  expect(payloadsOf(cwd, 'workflow_complete')).toEqual([
    {
      status: 'success',
      duration_ms: A_NUMBER,
      summary: { phases_executed: 2, steps_executed: 3, artifacts_created: 2, retries_used: 0 },
      artifacts: [
        { type: 'notes', path: '/notes.md' },
        { type: 'pr', url: 'https://example.org/1' },
      ],
    },
  ]);
  const [start] = journalRecords(cwd);
  expect(start?.attributes).toMatchObject({
    'tasktrail.workflow.id': id,
    'tasktrail.workflow.phases': ['frame', 'build'],
    'gen_ai.workflow.name': 'feature',
    'tasktrail.work_item.id': '199',
  });
});

test('the counts agree with the store, and no flag is set', async () => {
  const { cwd, workflow } = await shell();
  const id = (await workflow('start', '--phases', 'a,b')).stdout.trim();
  await workflow('phase', 'a', '--steps', 'x');
  await workflow('step', 'x', '--', 'false');
  await workflow('step', 'x', '--', 'true');
  await workflow('artifact', 'log', 'x.log');
  await workflow('artifact', 'log', 'x.log');
  await workflow('phase', 'b');
  await workflow('phase', 'b');
  await workflow('complete');
  const trail = await openTrail(join(cwd, 'logs'));
  try {
    const stored = await until(async () => {
      const found = await trail.reader.readWorkflow(id);
      return found?.document === undefined ? undefined : found;
    }, 'the document');
    expect(stored.document?.payload).toMatchObject({
      status: 'success',
      summary: { phases_executed: 2, steps_executed: 1, artifacts_created: 1, retries_used: 2 },
    });
    expect(stored.document?.measured).toMatchObject({ phases: 2, steps: 1, artifacts: 1, retries: 2 });
    const flags = Object.entries(stored.document?.completeness ?? {});
    expect(flags.filter(([, isSet]) => isSet)).toEqual([]);
  } finally {
    await trail.shutdown();
  }
});

test('an artifact is one, given twice with its metadata in another order, through emit and through the API', async () => {
  const { cwd, workflow } = await shell();
  const id = (await workflow('start')).stdout.trim();
  await workflow('phase', 'a');
  await workflow('step', 's');
  await workflow('artifact', 'spec', '/x.md', '--metadata', '{"pages":2,"author":{"id":7,"name":"ann"}}');
  await workflow('artifact', 'spec', '/x.md', '--metadata', '{"author":{"name":"ann","id":7},"pages":2}');
  const metadata = '{"author":{"name":"ann","id":7.0},"pages":2}';
  const payload = `{"phase":"a","step":"s","artifact":{"metadata":${metadata},"path":"/x.md","type":"spec"}}`;
  expect(await runCommand(['emit', 'artifact_create', id, payload], { cwd })).toMatchObject({ code: 0 });
  const trail = await openTrail(join(cwd, 'logs'));
  try {
    await until(async () => {
      const events = (await trail.reader.readWorkflow(id))?.events ?? [];
      return events.some(({ event_type: type }) => type === 'artifact_create') || undefined;
    }, 'the artifact');
    const step = (await resumeWorkflow(id)).startPhase('a').startStep('s');
    step.artifact({ metadata: { pages: 2, author: { name: 'ann', id: 7 } }, path: '/x.md', type: 'spec' });
    await workflow('complete');
    const stored = await until(async () => {
      const found = await trail.reader.readWorkflow(id);
      return found?.document === undefined ? undefined : found;
    }, 'the document');
    expect(stored.document?.payload).toMatchObject({
      summary: { artifacts_created: 1 },
      artifacts: [{ type: 'spec', path: '/x.md' }],
    });
    expect(stored.document?.measured.artifacts).toBe(1);
    expect(stored.document?.completeness.disagrees).toBe(false);
  } finally {
    await trail.shutdown();
  }
});

test('metadata that is nested too deep is rejected and not kept', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  const run = await workflow('artifact', 'x', '--metadata', deep);
  expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('nests deeper than 64 levels') });
  await workflow('complete');
  expect(payloadsOf(cwd, 'workflow_complete')).toMatchObject([{ summary: { artifacts_created: 0 } }]);
});

test('a failed step fails its phase and the workflow, unless a further attempt succeeds', async () => {
  const failed = await shell();
  await failed.workflow('start');
  await failed.workflow('phase', 'a');
  await failed.workflow('step', 'x');
  await failed.workflow('done', '--error', 'it broke');
  await failed.workflow('complete');
  expect(story(failed.cwd).slice(-3)).toEqual([
    'step_complete a/x 1 failure',
    'phase_complete a 1 failure',
    'workflow_complete 1 failure',
  ]);
  expect(payloadsOf(failed.cwd, 'step_complete')[0]).toMatchObject({ step: { error: 'it broke' } });

  const mended = await shell();
  await mended.workflow('start');
  await mended.workflow('phase', 'a');
  await mended.workflow('step', 'x');
  await mended.workflow('done', '--status', 'failure');
  await mended.workflow('step', 'x');
  await mended.workflow('complete');
  expect(story(mended.cwd).slice(-4)).toEqual([
    'step_start a/x 2',
    'step_complete a/x 2 success',
    'phase_complete a 1 success',
    'workflow_complete 1 success',
  ]);
  expect(payloadsOf(mended.cwd, 'workflow_complete')[0]).toMatchObject({ summary: { retries_used: 1 } });
});

test('a failed phase whose next attempt succeeds does not fail the workflow', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  await workflow('step', 'x');
  await workflow('done', '--status', 'failure');
  await workflow('phase', 'a');
  await workflow('step', 'x');
  await workflow('complete');
  expect(story(cwd).slice(4)).toEqual([
    'phase_complete a 1 failure',
    'phase_start a 2',
    'step_start a/x 2',
    'step_complete a/x 2 success',
    'phase_complete a 2 success',
    'workflow_complete 1 success',
  ]);
});

test('a cancelled workflow ends its open nodes as failed', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  await workflow('step', 'x');
  await workflow('complete', '--status', 'cancelled');
  expect(story(cwd).slice(-3)).toEqual([
    'step_complete a/x 1 failure',
    'phase_complete a 1 failure',
    'workflow_complete 1 cancelled',
  ]);
});

test('a step’s command gets the streams and the environment of its step, and its exit code is returned', async () => {
  const { cwd, workflow } = await shell({ TRACEPARENT: `00-${TRACE_ID}-b7ad6b7169203331-01` });
  const id = (await workflow('start', '--task', 'task-7')).stdout.trim();
  await workflow('phase', 'a');
  const names = [
    'TASK_LOGS_WORKFLOW_ID',
    'TASK_LOGS_PHASE',
    'TASK_LOGS_STEP',
    'TASK_LOGS_TASK_ID',
    'TRACEPARENT',
  ];
  const script = `${names.map((name) => `echo $${name}`).join(';')}; echo oops >&2; exit 3`;
  const run = await workflow('step', 'x', '--skill', 's', '--', 'sh', '-c', script);
  expect(run).toMatchObject({ code: 3, stderr: 'oops\n' });
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  const spanId = derivedSpanId(TRACE_ID, { workflowId: id, phase: 'a', step: 'x', attempt: 1 }, hash);
  expect(run.stdout.trim().split('\n')).toEqual([id, 'a', 'x', 'task-7', `00-${TRACE_ID}-${spanId}-01`]);
  expect(story(cwd).slice(-2)).toEqual(['step_start a/x 1', 'step_complete a/x 1 failure']);
  expect(payloadsOf(cwd, 'step_complete')[0]).toMatchObject({
    step: { skill: 's', status: 'failure', error: 'exit code 3' },
  });
  const records = journalRecords(cwd);
  expect(new Set(records.map(({ traceId }) => traceId))).toEqual(new Set([TRACE_ID]));
  expect(records[0]?.attributes['tasktrail.span.parent_id']).toBe('b7ad6b7169203331');
  expect(new Set(records.map(({ attributes }) => attributes['tasktrail.task.id']))).toEqual(
    new Set(['task-7']),
  );
});

test('a command starts without waiting for the delivery of its step start', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  const order: string[] = [];
  // Accepts requests and never responds: a sender times out after seconds.
  const endpoint = createServer((request) => request.once('close', () => order.push('given up')));
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void endpoint.close());
  const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
  const { child, ended } = startCommand(['workflow', 'step', 'x', '--', 'echo', 'ran'], {
    cwd,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: url },
  });
  child.stdout?.once('data', () => order.push('ran'));
  expect((await ended).code).toBe(0);
  endpoint.closeAllConnections();
  expect(order[0]).toBe('ran');
  expect(story(cwd).slice(-2)).toEqual(['step_start a/x 1', 'step_complete a/x 1 success']);
});

test('a command that cannot be started is a failed step with the shell’s exit code', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  const { code, stderr } = await workflow('step', 'x', '--', 'no-such-program', '--flag');
  expect(code).toBe(127);
  expect(stderr).toContain('cannot start "no-such-program"');
  expect(story(cwd).at(-1)).toBe('step_complete a/x 1 failure');
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends the command, then the step, with the shell’s exit code', async (signal, exitCode) => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  const { child, ended } = startCommand(
    ['workflow', 'step', 'x', '--', 'sh', '-c', 'echo ready; exec sleep 60'],
    {
      cwd,
    },
  );
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  child.kill(signal);
  expect(await ended).toMatchObject({ code: exitCode, signal: null });
  expect(payloadsOf(cwd, 'step_complete')).toMatchObject([
    { step: { name: 'x', status: 'failure', error: `ended by ${signal}` } },
  ]);
});

test('steps with commands may run in parallel, and each has its own artifacts', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  const step = (name: string): Promise<Run> => {
    const other = name === 'left' ? 'right' : 'left';
    // Each command waits until the other one runs.
    const wait = `touch ${name}; until [ -e ${other} ]; do sleep 0.05; done`;
    return workflow(
      'step',
      name,
      '--',
      'sh',
      '-c',
      `${wait}; "${process.execPath}" ${MAIN} workflow artifact file ${name}`,
    );
  };
  const codes = (await Promise.all([step('left'), step('right')])).map(({ code }) => code);
  expect(codes).toEqual([0, 0]);
  await workflow('complete');
  const artifacts = payloadsOf(cwd, 'step_complete').map((payload) => [
    Reflect.get(Object(Reflect.get(Object(payload), 'step')), 'name'),
    Reflect.get(Object(payload), 'artifacts'),
  ]);
  expect(artifacts.sort()).toEqual([
    ['left', [{ type: 'file', path: 'left' }]],
    ['right', [{ type: 'file', path: 'right' }]],
  ]);
  expect(payloadsOf(cwd, 'workflow_complete')).toMatchObject([
    { status: 'success', summary: { steps_executed: 2, artifacts_created: 2 } },
  ]);
});

test('concurrent commands lose no update', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  const names = Array.from({ length: 12 }, (_, index) => `file-${index}`);
  await Promise.all(names.map((name) => workflow('artifact', 'file', name)));
  await workflow('complete');
  expect(payloadsOf(cwd, 'workflow_complete')).toMatchObject([{ summary: { artifacts_created: 12 } }]);
});

test('the step of a killed command is ended as interrupted by the next command', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  await workflow('phase', 'a');
  const { child, ended } = startCommand(
    ['workflow', 'step', 'x', '--', 'sh', '-c', 'echo ready; read line'],
    { cwd },
  );
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  child.kill('SIGKILL');
  child.stdin?.end();
  await ended;
  await workflow('step', 'x', '--', 'true');
  expect(story(cwd).slice(2)).toEqual([
    'step_start a/x 1',
    'step_complete a/x 1 failure',
    'step_start a/x 2',
    'step_complete a/x 2 success',
  ]);
  expect(payloadsOf(cwd, 'step_complete')[0]).toMatchObject({ step: { error: 'interrupted' } });
});

test('a start with the id of a running workflow resumes it, and an ended workflow gets another attempt', async () => {
  const { cwd, workflow } = await shell();
  const first = await workflow('start', '--id', 'w-1', '--name', 'n', '--work-item', '7');
  await workflow('phase', 'a');
  await workflow('step', 'x');
  expect(await workflow('start', '--id', 'w-1')).toMatchObject({ code: 0, stdout: first.stdout });
  await workflow('step', 'x');
  await workflow('complete');
  await workflow('start', '--id', 'w-1');
  await workflow('phase', 'b');
  await workflow('complete');
  expect(story(cwd)).toEqual([
    'workflow_start 1',
    'phase_start a 1',
    'step_start a/x 1',
    'step_complete a/x 1 failure',
    'workflow_resumed 1',
    'step_start a/x 2',
    'step_complete a/x 2 success',
    'phase_complete a 1 success',
    'workflow_complete 1 success',
    'workflow_resumed 2',
    'phase_start b 1',
    'phase_complete b 1 success',
    'workflow_complete 2 success',
  ]);
});

test('a command that was killed after its event records a repeat, which the store drops', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start', '--id', 'w-1');
  await workflow('phase', 'a');
  const state = join(cwd, 'logs', '_journal', 'current', 'w-1.json');
  const before = await readFile(state);
  await workflow('step', 'x');
  // As if the command was killed between the event and the state file.
  await writeFile(state, before);
  await workflow('step', 'x');
  await workflow('complete');
  expect(story(cwd).filter((line) => line.startsWith('step_start'))).toEqual([
    'step_start a/x 1',
    'step_start a/x 1',
  ]);
  const trail = await openTrail(join(cwd, 'logs'));
  try {
    const stored = await until(async () => {
      const found = await trail.reader.readWorkflow('w-1');
      return found?.document === undefined ? undefined : found;
    }, 'the document');
    const types = stored.events.map(({ event_type }) => event_type);
    expect(types.filter((type) => type === 'step_start')).toHaveLength(1);
  } finally {
    await trail.shutdown();
  }
});

test('each project has its current workflow, by its git root; a flag or the environment selects another', async () => {
  const cwd = await tempDir();
  const env = { TASK_LOGS_DIR: join(cwd, 'logs') };
  for (const name of ['one', 'two']) await mkdir(join(cwd, name, '.git'), { recursive: true });
  await mkdir(join(cwd, 'one', 'deep', 'down'), { recursive: true });
  const at = (folder: string, words: readonly string[], more: Env = {}): Promise<Run> =>
    runCommand(['workflow', ...words], { cwd: join(cwd, folder), env: { ...env, ...more } });
  await at('one', ['start', '--id', 'w-one']);
  await at('two', ['start', '--id', 'w-two']);
  await at('one/deep/down', ['phase', 'a']);
  await at('two', ['phase', 'b', '--workflow', 'w-one']);
  await at('two', ['phase', 'c'], { TASK_LOGS_WORKFLOW_ID: 'w-one' });
  await at('two', ['phase', 'd']);
  const phases = journalRecords(cwd).filter(({ eventName }) => eventName === 'tasktrail.phase_start');
  expect(phases.map(({ attributes }) => attributes['tasktrail.workflow.id'])).toEqual([
    'w-one',
    'w-one',
    'w-one',
    'w-two',
  ]);
  const { stdout } = await at('one', ['status']);
  expect(JSON.parse(stdout)).toMatchObject({
    workflow_id: 'w-one',
    status: 'running',
    phase: { name: 'c' },
    project: 'one',
  });
});

test.each<readonly [string, readonly string[], string]>([
  ['without a workflow', ['phase', 'a'], 'no workflow was started in '],
  ['of an unknown workflow', ['phase', 'a', '--workflow', 'w-9'], 'there is no state of workflow w-9 here'],
  ['of a hostile workflow', ['phase', 'a', '--workflow', '../w'], 'workflow id "../w" is not valid'],
  ['that starts one with a hostile id', ['start', '--id', '../w'], 'workflow id "../w" is not valid'],
  ['that starts one for a hostile task', ['start', '--task', '../t'], 'task id "../t" is not valid'],
  [
    'with metadata that is no object',
    ['artifact', 'a', '--metadata', '[]'],
    '--metadata: must be a JSON object',
  ],
  ['that does not exist', ['begin'], "unknown command 'begin'"],
  ['with an unknown flag', ['start', '--colour'], "unknown option '--colour'"],
])('a command %s is rejected with exit code 2, and nothing is recorded', async (_what, words, message) => {
  const { cwd, workflow } = await shell();
  const run = await workflow(...words);
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain(message);
  expect(journalRecords(cwd)).toEqual([]);
});

test('a command in the wrong place is rejected, and the workflow continues', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start');
  for (const [words, message] of [
    [['step', 'x'], 'no phase is open'],
    [['step', 'x', '--', 'touch', 'ran'], 'no phase is open'],
    [['done'], 'no phase or step is open'],
    [['phase', ''], 'the name of the phase is empty'],
  ] as const) {
    expect(await workflow(...words)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  }
  expect(namesIn(cwd)).not.toContain('ran');
  await workflow('phase', 'a');
  await workflow('step', 'x');
  const bad = await workflow('done', '--status', 'fine');
  expect(bad).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Allowed choices are success, warning, failure, pending_input'),
  });
  await workflow('complete');
  expect(story(cwd).at(-1)).toBe('workflow_complete 1 success');
  const late = await workflow('phase', 'b');
  expect(late).toMatchObject({ code: 2, stderr: expect.stringContaining('workflow start --id') });
  expect(await workflow('complete')).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('has already ended'),
  });
  expect(story(cwd).filter((line) => line.startsWith('workflow_complete'))).toHaveLength(1);
});

test.each(['TASK_LOGS_ENABLED', 'TASK_LOGS_EMIT_WORKFLOW_EVENTS'])(
  '%s=false: a script runs as ever, and nothing is written',
  async (name) => {
    const { cwd, workflow } = await shell({ [name]: 'false' });
    const started = await workflow('start', '--work-item', '5');
    expect(started).toMatchObject({ code: 0, stdout: expect.stringMatching(/^workflow-5-/) });
    expect(started.stderr).toContain('nothing is recorded');
    expect((await workflow('phase', 'a')).code).toBe(0);
    expect(await workflow('step', 'x', '--', 'sh', '-c', 'echo ran; exit 4')).toMatchObject({
      code: 4,
      stdout: 'ran\n',
    });
    expect((await workflow('complete')).code).toBe(0);
    expect(namesIn(join(cwd, 'logs'))).toEqual([]);
  },
);

test('a failing disk neither stops a step’s command nor changes its exit code', async () => {
  const { cwd, workflow } = await shell();
  await workflow('start', '--id', 'w-1');
  await workflow('phase', 'a');
  const current = join(cwd, 'logs', '_journal', 'current');
  const breaking = await workflow(
    'step',
    'x',
    '--',
    'sh',
    '-c',
    `rm -r ${current}; echo > ${current}; exit 5`,
  );
  expect(breaking).toMatchObject({ code: 5, stderr: expect.stringContaining('TASK_LOGS_DIR: ') });
  const broken = await workflow('step', 'y', '--workflow', 'w-1', '--', 'sh', '-c', 'echo ran; exit 6');
  expect(broken).toMatchObject({
    code: 6,
    stdout: 'ran\n',
    stderr: expect.stringContaining('TASK_LOGS_DIR: '),
  });
});

test('a broken configuration file does not stop a step’s command', async () => {
  const cwd = await tempDir();
  await writeFile(join(cwd, 'tasktrail.config.json'), '{"broken');
  const { code, stdout, stderr } = await runCommand(
    ['workflow', 'step', 's', '--', 'sh', '-c', 'echo THE BUILD RUNS; exit 3'],
    { cwd },
  );
  expect([code, stdout]).toEqual([3, 'THE BUILD RUNS\n']);
  expect(stderr).toContain('tasktrail.config.json');
});
