import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hasLivingRun } from '../../src/agent/orphan-runs.ts';
import { findResumableRun, fingerprintOf } from '../../src/agent/resume-run.ts';
import { type RunFacts, RunFolder } from '../../src/agent/run-folder.ts';
import { claimRun, readMark } from '../../src/agent/run-mark.ts';
import type { AgentOutcome } from '../../src/model/agent-output.ts';
import { identityOf, ownIdentity, type ProcessIdentity } from '../../src/system/process-identity.ts';
import { DEADLINE } from '../support/until.ts';

const COMMAND = ['agent', '-p', 'x'];
const KEY = '1.1-build-run-agent';
const WANTED = { key: KEY, fingerprint: fingerprintOf(COMMAND, 'text') };

let task: string;
const agents: ChildProcess[] = [];

beforeEach(async () => {
  task = join(await mkdtemp(join(tmpdir(), 'tasktrail-resume-')), 'task-1');
});

afterEach(async () => {
  for (const agent of agents.splice(0)) agent.kill('SIGKILL');
  await rm(join(task, '..'), { recursive: true, force: true });
});

/** An ended process that had the pid of this one. */
function dead(): ProcessIdentity {
  return { ...ownIdentity(), start: ownIdentity().start.replace(/-\d+-/, '-1-') };
}

interface Left {
  readonly folder: RunFolder;
  readonly facts: RunFacts;
}

/** The folder of a run whose supervisor was killed right after the start of the agent. */
async function leave(more: Partial<RunFacts> = {}, supervisor = dead(), child?: number): Promise<Left> {
  const folder = await RunFolder.create(task, KEY);
  const facts: RunFacts = {
    ...WANTED,
    runId: randomUUID(),
    dialect: 'text',
    origin: null,
    startedAtMs: 1_000,
    deadlineMs: null,
    oomKills: null,
    ...more,
  };
  folder.writeFacts(facts);
  (await folder.openChildEnds(undefined)).close();
  const mark = { supervisor, child: child === undefined ? null : identityOf(child), adoptions: 0 };
  await writeFile(join(folder.directory, 'process.json'), JSON.stringify(mark));
  return { folder, facts };
}

/** A living agent. */
async function startAgent(runId: string): Promise<number> {
  const env = { PATH: process.env.PATH ?? '', TASK_LOGS_RUN_ID: runId };
  const agent = spawn('sleep', ['60'], { detached: true, env, stdio: 'ignore' });
  agents.push(agent);
  await new Promise((resolve) => agent.once('spawn', resolve));
  return agent.pid ?? 0;
}

const OUTCOME: AgentOutcome = {
  success: true,
  result: 'done',
  error: null,
  exitCode: 0,
  signal: null,
  model: null,
  usage: {
    costUsd: 0.5,
    inputTokens: 1,
    outputTokens: 2,
    cacheReadInputTokens: null,
    cacheCreationInputTokens: null,
  },
};

test('without an orphaned run there is nothing to resume', async () => {
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  await leave({ key: 'another' });
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await readdir(task)).toHaveLength(1);
});

test('an ended run is found with its outcome, any number of times', async () => {
  const { folder } = await leave();
  await folder.keepOutcome(OUTCOME);
  for (let n = 0; n < 2; n += 1)
    expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'ended', outcome: OUTCOME });
});

test('a run with a living agent is claimed, so that no other process finds it', async () => {
  const { folder, facts } = await leave();
  const pid = await startAgent(facts.runId);
  const { supervisor, ...rest } = readMark(folder.directory) ?? {};
  await writeFile(
    join(folder.directory, 'process.json'),
    JSON.stringify({ ...rest, supervisor, child: identityOf(pid) }),
  );
  const left = await findResumableRun(task, WANTED);
  expect(left).toMatchObject({ kind: 'pending', facts, leader: identityOf(pid) });
  expect(readMark(folder.directory)).toMatchObject({ supervisor: ownIdentity(), adoptions: 1 });
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
});

test('an agent without a mark is found by its environment', async () => {
  const { facts } = await leave();
  const pid = await startAgent(facts.runId);
  expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'pending', leader: { pid } });
});

test('the run of an ended agent is pending when it left an exit code or output', {
  tags: 'full',
}, async () => {
  const ended = await leave();
  await writeFile(ended.folder.exitFile, '0\n');
  expect(await hasLivingRun(task)).toBe(true);
  expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'pending', leader: undefined });
  await ended.folder.remove();
  const killed = await leave();
  await writeFile(join(killed.folder.directory, 'stdout'), 'half');
  expect(await hasLivingRun(task)).toBe(false);
  expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'pending', leader: undefined });
});

test('the folder of a run that never started its agent is removed', async () => {
  await leave();
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(existsSync(task)).toBe(false);
});

test('the folder of a run without output files is removed', async () => {
  const { folder } = await leave();
  await rm(join(folder.directory, 'stdout'));
  await rm(join(folder.directory, 'stderr'));
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(existsSync(task)).toBe(false);
});

test('another command with the same key is another run, and the agent of the first one is ended', async () => {
  expect(fingerprintOf(COMMAND, 'text')).not.toBe(fingerprintOf(COMMAND, 'claude'));
  expect(fingerprintOf(['a', 'b c'], 'text')).not.toBe(fingerprintOf(['a', 'b', 'c'], 'text'));
  const { facts } = await leave({ fingerprint: fingerprintOf(['other'], 'text') });
  const pid = await startAgent(facts.runId);
  const ended = new Promise((resolve) => agents[0]?.once('exit', (_code, signal) => resolve(signal)));
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await ended).toBe('SIGTERM');
  expect(pid).toBeGreaterThan(1);
  expect(existsSync(task)).toBe(false);
});

test('a run with a living supervisor is not claimed, nor one of another host', async () => {
  const ours = await leave({}, ownIdentity());
  await writeFile(ours.folder.exitFile, '0\n');
  const theirs = await leave({}, { ...ownIdentity(), host: 'another' });
  await writeFile(theirs.folder.exitFile, '0\n');
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await hasLivingRun(task)).toBe(false);
  expect(await readdir(task)).toHaveLength(2);
});

test('exactly one of several concurrent claims succeeds', async () => {
  const { folder, facts } = await leave();
  await startAgent(facts.runId);
  const found = await Promise.all(Array.from({ length: 8 }, () => findResumableRun(task, WANTED)));
  expect(found.filter((left) => left !== undefined)).toHaveLength(1);
  expect(await readdir(folder.directory)).toEqual([
    'process.json',
    'run.json',
    'stderr',
    'stdout',
    'taken-0',
  ]);
  expect((await stat(join(folder.directory, 'taken-0'))).mode & 0o777).toBe(0o600);
});

test('a run whose second supervisor was killed can be claimed again', async () => {
  const { folder, facts } = await leave();
  await startAgent(facts.runId);
  const next = { supervisor: dead(), child: null, adoptions: 1 };
  await writeFile(join(folder.directory, 'taken-0'), JSON.stringify(next));
  expect(readMark(folder.directory)).toEqual(next);
  expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'pending' });
  expect(readMark(folder.directory)).toEqual({ ...next, supervisor: ownIdentity(), adoptions: 2 });
});

test('damaged facts or marks are not a run, and do not make the search endless', async () => {
  const { folder } = await leave();
  await writeFile(join(folder.directory, 'run.json'), '{"key": 7');
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await hasLivingRun(task)).toBe(false);
  const loop = { supervisor: dead(), child: null, adoptions: 0 };
  await writeFile(join(folder.directory, 'taken-0'), JSON.stringify(loop));
  expect(readMark(folder.directory)).toEqual(loop);
});

test('a claim of a run whose folder was removed is an error', async () => {
  const { folder } = await leave();
  const mark = readMark(folder.directory);
  if (mark === undefined) throw new Error('no mark');
  await folder.remove();
  expect(() => claimRun(folder.directory, mark)).toThrow('ENOENT');
  await vi.waitFor(() => expect(existsSync(folder.directory)).toBe(false), DEADLINE);
});
