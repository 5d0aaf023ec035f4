import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { recordTask } from '../../src/record/task/attempt.ts';
import { recordWorkflow, startWorkflow } from '../../src/record/workflow/orchestration.ts';
import { resumeWorkflow } from '../../src/trail/resume-workflow.ts';
import { startTasktrail, type Trail } from '../../src/trail/trail.ts';
import { INDEX_URL } from '../support/built.ts';
import { serviceEnv } from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let trails: Trail[] = [];
let children: ChildProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-resume-'));
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  for (const trail of trails) await trail.shutdown();
  trails = [];
  await rm(cwd, { recursive: true, force: true });
});

async function open(env: Record<string, string> = {}): Promise<Trail> {
  const trail = await startTasktrail({ cwd, env: serviceEnv({ cwd, env }), log: () => {} });
  trails.push(trail);
  return trail;
}

interface Spans {
  readonly announced: readonly {
    readonly spanId: string;
    readonly parentId: string | null;
    readonly name: string;
  }[];
  /** Those that a process ended, and those that were made of the facts of their start and end. */
  readonly ended: ReadonlySet<string>;
}

async function spansOf(id: string): Promise<Spans> {
  const dir = join(cwd, 'logs', '_workflow');
  const names = await readdir(dir, { recursive: true });
  const linesOf = async (suffix: string): Promise<string[]> => {
    const name = names.find((one) => one.endsWith(id + suffix)) ?? '';
    return (await readFile(join(dir, name), 'utf8')).trimEnd().split('\n');
  };
  const facts = (await linesOf('.facts')).map((line) => JSON.parse(line));
  const spans = (await linesOf('.trace.jsonl')).flatMap(
    (line) => JSON.parse(line).resourceSpans[0].scopeSpans[0].spans,
  );
  return {
    announced: facts
      .filter(({ span }) => span !== undefined)
      .map(({ span_id: spanId, span }) => ({ spanId, parentId: span.parent_id, name: span.name })),
    ended: new Set(spans.map(({ spanId }) => spanId)),
  };
}

async function typesOf(trail: Trail, id: string): Promise<string[]> {
  const stored = await trail.reader.readWorkflow(id);
  return (stored?.events ?? []).map(({ event_type: type, attempt }) => `${type} ${attempt}`);
}

test('a workflow continues in the next process where the last one stopped', async () => {
  const first = await open();
  const begun = startWorkflow('release', { workItemId: '7' });
  const phase = begun.startPhase('build');
  phase.startStep('compile').end();
  phase.startStep('test');
  await first.shutdown();

  const second = await open();
  const workflow = await resumeWorkflow(begun.id);
  expect([workflow.isDone('build', 'compile'), workflow.isDone('build', 'test')]).toEqual([true, false]);
  expect(workflow.traceparent).toBe(begun.traceparent);
  await workflow.run(() => workflow.phase('build', {}, (build) => build.step('test', {}, () => undefined)));
  const types = [
    'workflow_start 1',
    'phase_start 1',
    'step_start 1',
    'step_complete 1',
    'step_start 1',
    'workflow_resumed 1',
    'step_complete 1',
    'phase_complete 1',
    'workflow_complete 1',
  ];
  await until(
    async () => (await typesOf(second, begun.id)).length === types.length,
    'the workflow to come so far',
  );
  expect(await typesOf(second, begun.id)).toEqual(types);
  const stored = await second.reader.readWorkflow(begun.id);
  expect(stored?.state).toMatchObject({
    status: 'success',
    completeness: { disagrees: false, no_end: false, missing_step: false },
  });
});

test('events that this process recorded a moment ago are known', async () => {
  await open();
  const begun = startWorkflow('w');
  begun.startPhase('p').end();
  const workflow = await resumeWorkflow(begun.id);
  expect(workflow.isDone('p')).toBe(true);
});

test('the state from another machine can be passed in', async () => {
  const there = await open();
  const begun = startWorkflow('w');
  begun.startPhase('p').end();
  await until(
    async () => (await there.reader.readWorkflow(begun.id))?.state.levels.length === 2,
    'the workflow to come so far',
  );
  const stored = await there.reader.readWorkflow(begun.id);
  await there.shutdown();
  await open({ TASK_LOGS_DIR: join(cwd, 'elsewhere') });
  expect((await resumeWorkflow(begun.id)).isDone('p')).toBe(false);
  // The answer of the REST API is one object.
  const state = stored && { ...stored.state, events: stored.events };
  expect((await resumeWorkflow(begun.id, { state })).isDone('p')).toBe(true);
  await expect(resumeWorkflow('another', { state })).rejects.toThrow(TypeError);
});

test("an unknown id starts a workflow, and the task's metadata names it", async () => {
  const trail = await open();
  await recordTask({ source: 'test', message: 'm', taskId: 'task-1' }, async () => {
    const workflow = await resumeWorkflow('mine', { name: 'w', phases: ['p'] });
    await workflow.run(() => workflow.phase('p', {}, () => undefined));
  });
  await until(
    async () => (await trail.reader.readWorkflow('mine'))?.state.status === 'success',
    'the workflow to come so far',
  );
  expect((await trail.reader.readWorkflow('mine'))?.state).toMatchObject({
    name: 'w',
    task_ids: ['task-1'],
    completeness: { missing_phase: false },
  });
  const metadata = await until(async () => {
    const found = await trail.reader.readDocument('task-1', 'metadata');
    return Array.isArray(found?.workflow_ids) && found.workflow_ids.length > 0 ? found : undefined;
  }, 'the workflow in the metadata');
  expect(metadata).toMatchObject({ workflow_ids: ['mine'] });
});

test('a reader that fails does not prevent the resumption', async () => {
  const trail = await open();
  Object.defineProperty(trail.reader, 'readWorkflow', { value: () => Promise.reject(new Error('no')) });
  const workflow = await resumeWorkflow('mine');
  expect([workflow.id, workflow.isDone('p')]).toEqual(['mine', false]);
  await expect(resumeWorkflow('../mine')).rejects.toMatchObject({ code: 'ERR_ID_INVALID' });
});

test('without an open trail it works and records nothing', async () => {
  const workflow = await resumeWorkflow('mine', { name: 'w' });
  expect(await workflow.run((one) => one.phase('p', {}, () => 5))).toBe(5);
  expect(workflow.isDone('p')).toBe(true);
});

test.each([['TASK_LOGS_EMIT_WORKFLOW_EVENTS'], ['TASK_LOGS_ENABLED']])(
  'with %s off no workflow event is stored',
  async (name) => {
    const off = await open({ [name]: 'false' });
    const id = await recordWorkflow('w', {}, (workflow) => workflow.phase('p', {}, () => workflow.id));
    await (await resumeWorkflow(id)).run(() => undefined);
    await off.shutdown();
    const trail = await open();
    await trail.recovered;
    expect(await trail.reader.readWorkflow(id)).toBeUndefined();
  },
);

test('after many kills at random points every event is stored once and the trace is complete', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const script = join(cwd, 'orchestrator.mjs');
  await writeFile(
    script,
    `import { resumeWorkflow, startTasktrail } from ${JSON.stringify(INDEX_URL)};
import { setTimeout as delay } from 'node:timers/promises';
const trail = await startTasktrail();
const workflow = await resumeWorkflow('release-7', { name: 'release' });
process.stdout.write('resumed\\n');
await workflow.run(async () => {
  for (const name of ['build', 'test', 'ship']) {
    if (workflow.isDone(name)) continue;
    await workflow.phase(name, { steps: ['a', 'b'] }, async (phase) => {
      for (const step of ['a', 'b']) {
        if (phase.isDone(step)) continue;
        await phase.retryStep(step, {}, async (running) => {
          running.artifact({ type: 'file', path: \`/\${name}/\${step}\` });
          await delay(40);
          if (running.attempt === 1) throw new Error('first');
        });
      }
    });
  }
});
await trail.shutdown();
process.stdout.write('done\\n');
`,
  );
  let kills = 0;
  let output = '';
  while (!output.includes('done')) {
    output = '';
    const child = spawn(process.execPath, [script], { cwd, env: serviceEnv({ cwd }) });
    children.push(child);
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
    const ended = new Promise((done) => child.on('close', done));
    await until(async () => output.includes('resumed'), 'the workflow to come so far');
    // Where it is by then is up to the machine; after five kills it may come to its end.
    if (kills < 5) await Promise.race([ended, delay(20 + Math.random() * 200)]);
    else await ended;
    if (!output.includes('done')) kills += 1;
    child.kill('SIGKILL');
    await ended;
  }
  expect(kills).toBeGreaterThan(0);
  const trail = await open();
  await trail.recovered;
  const stored = await trail.reader.readWorkflow('release-7');
  const types = (stored?.events ?? []).map(({ event_type: type, attempt }) => `${type} ${attempt}`);
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  expect(Object.fromEntries(counts)).toMatchObject({
    'workflow_start 1': 1,
    'phase_start 1': 3,
    'phase_complete 1': 3,
    'step_start 1': 6,
    'step_complete 1': 6,
    'step_retry 1': 6,
    'step_start 2': 6,
    'step_complete 2': 6,
    'artifact_create 1': 6,
    'artifact_create 2': 6,
    'workflow_complete 1': 1,
  });
  expect(types.filter((type) => !type.startsWith('workflow_'))).toHaveLength(48);
  const isWhole = ({ announced, ended }: Spans): boolean =>
    announced.every(({ spanId }) => ended.has(spanId));
  await until(async () => isWhole(await spansOf('release-7')), 'the workflow to come so far');
  const { announced, ended } = await spansOf('release-7');
  for (const { parentId } of announced) expect(parentId === null || ended.has(parentId)).toBe(true);
  expect(announced.filter(({ name }) => /^(phase|step) /.test(name))).toHaveLength(3 + 12);
  expect(stored?.state).toMatchObject({
    status: 'success',
    measured: { phases: 3, steps: 6, artifacts: 12, retries: 6 },
    completeness: { disagrees: false, no_end: false, missing_step: false, time_reversed: false },
  });
});
