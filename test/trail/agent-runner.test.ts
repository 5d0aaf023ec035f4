import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { fingerprintOf } from '../../src/agent/resume-run.ts';
import { RunFolder } from '../../src/agent/run-folder.ts';
import { RUN_ID_VARIABLE } from '../../src/agent/run-processes.ts';
import { loadConfig } from '../../src/config/config.ts';
import { installedRunner, type TaskRecording } from '../../src/record/task/agent-port.ts';
import { identityOf, ownIdentity } from '../../src/system/process-identity.ts';
import { installAgentRunner } from '../../src/trail/agent-runner.ts';
import { agentFolder, startTasktrail, type Trail } from '../../src/trail/trail.ts';
import { KeptRecording } from '../agent/agent-run.ts';
import { tempDir } from '../support/log-dir.ts';

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
    fingerprint: fingerprintOf(COMMAND, 'text'),
    runId,
    dialect: 'text',
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
  runner?.forget('task-1');
  expect(await ended).toEqual([null, 'SIGKILL']);
  await expect.poll(() => existsSync(folder.directory)).toBe(false);
});

test('the agent of a claimed run is ended with its task when the task does not run it again', async () => {
  const runner = installedRunner();
  const { ended } = await leaveOrphan();
  await runner?.resume('task-1', COMMAND, OPTIONS);
  runner?.forget('task-1');
  expect(await ended).toEqual([null, 'SIGKILL']);
});
