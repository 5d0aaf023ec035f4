import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startTasktrail, type Trail } from '../../src/index.ts';
import { type JsonObject, objectOf } from '../../src/model/json.ts';
import type { WorkflowEnvelope } from '../../src/model/workflow.ts';
import { INDEX_URL } from '../support/built.ts';
import { linesOf } from '../support/log-dir.ts';
import { serviceEnv } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const ID = 'workflow-7-20260102T030405Z-kill';
const PHASES = ['frame', 'build', 'evaluate'];
const STEPS = ['one', 'two', 'three'];
/** A run takes about that long; kills fall anywhere into it. */
const RUN_MS = 400;
const KILLS = 8;

/** One step fails first. Its retry is the next attempt, in the same process or a later one. */
const ORCHESTRATOR = `
  import { setTimeout as delay } from 'node:timers/promises';
  const { startTasktrail, resumeWorkflow } = await import(process.argv[1]);
  const [id, phases, steps] = JSON.parse(process.argv[2]);
  const trail = await startTasktrail();
  const workflow = await resumeWorkflow(id, { name: 'faber', phases });
  for (const phase of phases) {
    if (workflow.isDone(phase)) continue;
    await workflow.phase(phase, { steps }, async (open) => {
      for (const step of steps) {
        if (workflow.isDone(phase, step)) continue;
        await open.retryStep(step, { maxAttempts: 3 }, async (one) => {
          await delay(15);
          one.artifact({ type: 'file', path: '/' + phase + '/' + step });
          if (phase === 'build' && step === 'two' && one.attempt === 1) throw new Error('not yet');
        });
      }
    });
  }
  workflow.end();
  await trail.shutdown();
  console.log('done');
`;

interface Where {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs it to its end, or kills it after so long; true when it came to its end. */
async function orchestrate({ cwd, env = {} }: Where, killAfterMs?: number): Promise<boolean> {
  mkdirSync(cwd, { recursive: true });
  const args = ['--input-type=module', '-e', ORCHESTRATOR, INDEX_URL, JSON.stringify([ID, PHASES, STEPS])];
  const child = spawn(process.execPath, args, {
    cwd,
    env: serviceEnv({ cwd, env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let complaint = '';
  child.stdout.on('data', (piece: Buffer) => {
    said += piece.toString();
  });
  child.stderr.on('data', (piece: Buffer) => {
    complaint += piece.toString();
  });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  if (killAfterMs === undefined) expect([code, complaint]).toEqual([0, '']);
  return said.includes('done');
}

async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-resume-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function hold(cwd: string): Promise<Trail> {
  mkdirSync(cwd, { recursive: true });
  const trail = await startTasktrail({ env: serviceEnv({ cwd }), cwd, hold: 'must' });
  onTestFinished(() => trail.shutdown());
  await trail.recovered;
  return trail;
}

/** `step_complete build/two 2`; sorted, because processes that follow one another are compared. */
function tellings(events: readonly WorkflowEnvelope[]): string[] {
  return events
    .filter((event) => event.event_type !== 'workflow_resumed')
    .map((event) => {
      const payload = objectOf(event.payload);
      const step = objectOf(payload.step).name ?? payload.step;
      const path = objectOf(payload.artifact).path;
      return [event.event_type, payload.phase, step, path, event.attempt]
        .filter((part) => part !== undefined)
        .join(' ');
    })
    .sort();
}

async function readRun(trail: Trail): Promise<readonly WorkflowEnvelope[]> {
  return until(async () => {
    const found = await trail.reader.readWorkflow(ID);
    return found?.document === undefined ? undefined : found.events;
  }, 'the workflow to be there to its end');
}

interface PlainSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
}

async function readTrace(logDir: string): Promise<PlainSpan[]> {
  const count = 1 + PHASES.length + PHASES.length * STEPS.length + 1;
  return until(async () => {
    const spans = spansIn(logDir);
    return spans.length >= count ? spans : undefined;
  }, `${count} spans`);
}

function spansIn(logDir: string): PlainSpan[] {
  const month = join(logDir, '_workflow', '2026', '01');
  if (!readdirSync(month).includes(`${ID}.trace.jsonl`)) return [];
  return linesOf(month, `${ID}.trace.jsonl`).map((line) => {
    const [resource] = (line.resourceSpans ?? []) as readonly JsonObject[];
    const [scope] = (resource?.scopeSpans ?? []) as readonly JsonObject[];
    const [span] = (scope?.spans ?? []) as readonly JsonObject[];
    return span as unknown as PlainSpan;
  });
}

function expectWhole(spans: readonly PlainSpan[]): void {
  const ids = spans.map((span) => span.spanId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
  const orphans = spans.filter((span) => span.parentSpanId !== undefined && !ids.includes(span.parentSpanId));
  expect(orphans).toEqual([]);
}

async function uninterrupted(): Promise<{ tellings: string[]; names: string[] }> {
  const cwd = await tempDir();
  await orchestrate({ cwd });
  const trail = await hold(cwd);
  const events = await readRun(trail);
  const spans = await readTrace(join(cwd, 'logs'));
  await trail.shutdown();
  expectWhole(spans);
  return { tellings: tellings(events), names: spans.map((span) => span.name).sort() };
}

test('a workflow that is killed at random points and resumed equals one without a kill', {
  timeout: 360_000,
}, async () => {
  const expected = await uninterrupted();
  expect(expected.tellings.length).toBeGreaterThan(25);
  let kills = 0;
  for (let round = 0; round < 2; round += 1) {
    const cwd = await tempDir();
    for (let kill = 0; kill < KILLS; kill += 1) {
      if (await orchestrate({ cwd }, 250 + Math.random() * RUN_MS)) break;
      kills += 1;
    }
    await orchestrate({ cwd });
    const trail = await hold(cwd);
    const events = await readRun(trail);
    const spans = await readTrace(join(cwd, 'logs'));
    await trail.shutdown();
    expect(tellings(events)).toEqual(expected.tellings);
    expect(new Set(events.map((event) => event.event_id)).size).toBe(events.length);
    expectWhole(spans);
    expect(spans.map((span) => span.name).sort()).toEqual(expected.names);
  }
  // Otherwise nothing was interrupted.
  expect(kills).toBeGreaterThan(2);
});

test('a workflow is resumed from other directories without its files, over OTLP alone', {
  timeout: 360_000,
}, async () => {
  const expected = await uninterrupted();
  const root = await tempDir();
  const holder = join(root, 'holder');
  const trail = await hold(holder);
  const env = { TASK_LOGS_STORE: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: trail.otlpUrl ?? '' };
  let kills = 0;
  for (let machine = 0; machine < 5; machine += 1) {
    const cwd = join(root, `machine-${machine}`);
    if (!(await orchestrate({ cwd, env }, 250 + Math.random() * RUN_MS * 2))) kills += 1;
    // The next process of the same machine sends what the killed one left in the journal.
    if (machine % 2 === 0) await orchestrate({ cwd, env }, 400);
  }
  await orchestrate({ cwd: join(root, 'last'), env });
  const events = await readRun(trail);
  const spans = await readTrace(join(holder, 'logs'));
  await trail.shutdown();
  expect(kills).toBeGreaterThan(0);
  expect(tellings(events)).toEqual(expected.tellings);
  expectWhole(spans);
  expect(spans.map((span) => span.name).sort()).toEqual(expected.names);
});
