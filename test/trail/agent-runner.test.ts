import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { fingerprintOf } from '../../src/agent/resume-run.ts';
import { RunFolder } from '../../src/agent/run-folder.ts';
import { RUN_ID_VARIABLE } from '../../src/agent/run-processes.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { JsonObject } from '../../src/model/json.ts';
import { installedRunner, type TaskRecording } from '../../src/record/task/agent-port.ts';
import { recordTask } from '../../src/record/task/attempt.ts';
import type { Task } from '../../src/record/task/task.ts';
import { identityOf, ownIdentity } from '../../src/system/process-identity.ts';
import { installAgentRunner } from '../../src/trail/agent-runner.ts';
import { agentFolder, startTasktrail, type Trail } from '../../src/trail/trail.ts';
import { KeptRecording } from '../agent/agent-run.ts';
import { tempDir } from '../support/log-dir.ts';
import { until } from '../support/until.ts';

const COMMAND = ['sleep', '60'];
const OPTIONS = { key: 'run-1' };

let trail: Trail;

beforeEach(async () => {
  installAgentRunner();
  const dir = await tempDir();
  const config = loadConfig({
    env: { HOME: dir },
    cwd: dir,
    flags: { TASK_LOGS_DIR: join(dir, 'logs'), TASK_LOGS_OTLP_PORT: '0' },
  });
  trail = await startTasktrail({ config, log: () => {} });
});

afterEach(() => trail.shutdown());

/** A living agent whose supervisor was killed. */
async function leaveOrphan(): Promise<{ folder: RunFolder; ended: Promise<unknown[]> }> {
  const runId = randomUUID();
  const env = { PATH: process.env.PATH ?? '', [RUN_ID_VARIABLE]: runId };
  const agent = spawn('sleep', ['60'], { detached: true, env, stdio: 'ignore' });
  onTestFinished(() => void agent.kill('SIGKILL'));
  const ended = once(agent, 'exit');
  await once(agent, 'spawn');
  const folder = await RunFolder.create(join(agentFolder(trail.config.logDir), 'task-1'), OPTIONS.key);
  folder.writeFacts({
    ...OPTIONS,
    fingerprint: fingerprintOf(COMMAND, 'auto'),
    runId,
    dialect: 'auto',
    origin: null,
    startedAtMs: Date.now(),
    deadlineMs: null,
    oomKills: null,
  });
  (await folder.openChildEnds(undefined)).close();
  const dead = { ...ownIdentity(), start: ownIdentity().start.replace(/-\d+-/, '-1-') };
  const mark = { supervisor: dead, child: identityOf(agent.pid ?? 0), adoptions: 0 };
  await writeFile(join(folder.directory, 'process.json'), JSON.stringify(mark));
  return { folder, ended };
}

class Recording extends KeptRecording implements TaskRecording {
  readonly taskId = 'task-1';
  readonly attempt = 1;
  readonly input: TaskRecording['input'];

  constructor(input: TaskRecording['input']) {
    super();
    this.input = input;
  }
}

test('the agent of a claimed run is ended with its task when the run could not be resumed', async () => {
  const runner = installedRunner();
  const { folder, ended } = await leaveOrphan();
  expect(await runner?.resume('task-1', COMMAND, OPTIONS)).toBeDefined();
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const recording = new Recording({ message: 'm', source_metadata: cyclic as never });
  await expect(runner?.run(COMMAND, OPTIONS, recording)).rejects.toThrow('circular');
  runner?.forget('task-1', 'all');
  expect(await ended).toEqual([null, 'SIGKILL']);
  await expect.poll(() => existsSync(folder.directory)).toBe(false);
});

test('the agent of a claimed run is ended with its task when the task does not run it again', async () => {
  const runner = installedRunner();
  const { ended } = await leaveOrphan();
  await runner?.resume('task-1', COMMAND, OPTIONS);
  runner?.forget('task-1', 'all');
  expect(await ended).toEqual([null, 'SIGKILL']);
});

const ENV = ['sh', '-c', 'env'];

/** Lines of `env`. */
function variables(result: string | null): ReadonlyMap<string, string> {
  return new Map(
    (result ?? '').split('\n').map((line) => [line.split('=')[0] ?? '', line.replace(/^[^=]*=/, '')]),
  );
}

test('an agent inside a step knows its phase and step, unless its caller says otherwise', async () => {
  const found: (string | undefined)[][] = [];
  async function look(task: Task, env: Record<string, string> = {}): Promise<void> {
    const seen = variables((await task.runAgent(ENV, { env })).result);
    found.push([seen.get('TASK_LOGS_PHASE'), seen.get('TASK_LOGS_STEP')]);
  }
  await recordTask({ source: 'test', message: 'm' }, async (task) => {
    await look(task);
    await task.workflow('w', {}, async (workflow) => {
      await look(task);
      await workflow.phase('build', {}, async (phase) => {
        await look(task);
        await phase.step('code', {}, () => look(task));
        await phase.step('code', {}, () => look(task, { TASK_LOGS_STEP: 'mine' }));
        await phase.step('other', {}, () =>
          recordTask({ source: 'test', message: 'another task' }, (inner) => look(inner)),
        );
      });
    });
    await look(task);
  });
  expect(found).toEqual([
    [undefined, undefined],
    [undefined, undefined],
    ['build', undefined],
    ['build', 'code'],
    ['build', 'mine'],
    [undefined, undefined],
    [undefined, undefined],
  ]);
});

test('the telemetry of an agent with a proxy reaches the receiver', async () => {
  await recordTask({ source: 'test', message: 'm' }, async (task) => {
    const env = { HTTP_PROXY: 'http://proxy.example:3128', NO_PROXY: 'corp.example' };
    const seen = variables((await task.runAgent(ENV, { env })).result);
    expect(new URL(seen.get('OTEL_EXPORTER_OTLP_ENDPOINT') ?? '').hostname).toBe('127.0.0.1');
    for (const name of ['NO_PROXY', 'no_proxy'])
      expect(seen.get(name)?.split(',')).toEqual(
        expect.arrayContaining(['corp.example', '127.0.0.1', 'localhost']),
      );
  });
});

test('a key that a known agent will miss is named once, and one that is handed over is not', async () => {
  vi.stubEnv('CURSOR_API_KEY', 'cursor-key');
  const seen: string[] = [];
  const onWarning = ({ message }: Error): void => void seen.push(message);
  process.on('warning', onWarning);
  onTestFinished(() => {
    process.off('warning', onWarning);
    vi.unstubAllEnvs();
  });
  const command = ['sh', '-c', 'env', 'cursor-agent'];
  await recordTask({ source: 'test', message: 'm' }, async (task) => {
    const name = 'handed';
    const { result } = await task.runAgent(command, { name, env: { CURSOR_API_KEY: 'cursor-key' } });
    expect(variables(result).has('CURSOR_API_KEY')).toBe(true);
    for (let n = 0; n < 2; n += 1)
      expect(variables((await task.runAgent(command, { name: 'cursor' })).result).has('CURSOR_API_KEY')).toBe(
        false,
      );
  });
  const text = 'CURSOR_API_KEY is set and not handed to the agent cursor: name it in TASK_LOGS_AGENT_ENV';
  await expect.poll(() => seen.filter((line) => line.startsWith(text)).length).toBe(1);
  expect(seen.filter((line) => line.includes('handed to the agent handed'))).toEqual([]);
});

test('an agent gets no descriptor of its shell but its three streams, and a log directory of its own', async () => {
  const script =
    'for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; ls -d "$TASK_LOGS_DIR"';
  await recordTask({ source: 'test', message: 'm' }, async (task) => {
    const lines = (await task.runAgent(['sh', '-c', script])).result?.split('\n') ?? [];
    expect(lines.slice(0, 3)).toEqual(['0', '1', '2']);
    expect(lines[3]).toMatch(/\/log$/);
    expect(lines[3]).toContain(join(agentFolder(trail.config.logDir), task.id));
  });
});

async function resultOf(taskId: string): Promise<JsonObject> {
  const path = join(trail.config.logDir, taskId, '04-final-result.json');
  return until(async () => (existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined), path);
}

test('the tokens of a thread that the next step resumes count once', async () => {
  const sample = (n: number): string[] => ['cat', `test/samples/made/codex-resume-${n}.jsonl`];
  const taskId = await recordTask({ source: 'test', message: 'm' }, async (task) => {
    await task.runAgent(sample(1));
    await task.runAgent(sample(2));
    return task.id;
  });
  expect(await resultOf(taskId)).toMatchObject({
    result: 'implemented',
    metrics: { input_tokens: 36_197, cache_read_input_tokens: 22_000, output_tokens: 40 },
  });
});

test('a task whose agent did not exit after its last word is a success that says so', async () => {
  const lines = ['{"type":"turn.started"}', '{"type":"turn.completed","usage":{}}'];
  const command = ['sh', '-c', 'printf "%s\\n" "$@"; exec sleep 60', 'sh', ...lines];
  const taskId = await recordTask({ source: 'test', message: 'm' }, async (task) => {
    await task.runAgent(command, { lingerMs: 30 });
    return task.id;
  });
  expect(await resultOf(taskId)).toMatchObject({ success: true, status: 'completed', lingered: true });
});
