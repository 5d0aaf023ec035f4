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

/** Our pid, had by a process that started at another time. */
function dead(): ProcessIdentity {
  return { ...ownIdentity(), start: ownIdentity().start.replace(/-\d+-/, '-1-') };
}

interface Left {
  readonly folder: RunFolder;
  readonly facts: RunFacts;
}

/** A run as a process leaves it that is killed right after its agent's start. */
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

/** A process that lives on, as an agent would. */
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

test('where nothing was left there is nothing to resume', async () => {
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  await leave({ key: 'another' });
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await readdir(task)).toHaveLength(1);
});

test('a run that has ended is known by its outcome, as often as it is asked for', async () => {
  const { folder } = await leave();
  await folder.keepOutcome(OUTCOME);
  for (let n = 0; n < 2; n += 1)
    expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'ended', outcome: OUTCOME });
});

test('a run whose agent lives is ours from then on, and nobody else gets it', async () => {
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

test('an agent whose start nobody noted is found by its environment', async () => {
  const { facts } = await leave();
  const pid = await startAgent(facts.runId);
  expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'pending', leader: { pid } });
});

test('an agent that ended while nobody looked is gone on with, by its exit code or by what it printed', async () => {
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

test('a run that never came to start anything leaves nothing', async () => {
  await leave();
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(existsSync(task)).toBe(false);
});

test('a run whose process was killed before its files were made leaves nothing', async () => {
  const { folder } = await leave();
  await rm(join(folder.directory, 'stdout'));
  await rm(join(folder.directory, 'stderr'));
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(existsSync(task)).toBe(false);
});

test('another command in the same place is another run: the agent of the first is ended', async () => {
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

test('a run that a living process follows is not taken, nor is one of another host', async () => {
  const ours = await leave({}, ownIdentity());
  await writeFile(ours.folder.exitFile, '0\n');
  const theirs = await leave({}, { ...ownIdentity(), host: 'another' });
  await writeFile(theirs.folder.exitFile, '0\n');
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await hasLivingRun(task)).toBe(false);
  expect(await readdir(task)).toHaveLength(2);
});

test('of many that want a run at the same time one gets it', async () => {
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

test('a run whose new owner died in its turn can be taken again', async () => {
  const { folder, facts } = await leave();
  await startAgent(facts.runId);
  const next = { supervisor: dead(), child: null, adoptions: 1 };
  await writeFile(join(folder.directory, 'taken-0'), JSON.stringify(next));
  expect(readMark(folder.directory)).toEqual(next);
  expect(await findResumableRun(task, WANTED)).toMatchObject({ kind: 'pending' });
  expect(readMark(folder.directory)).toEqual({ ...next, supervisor: ownIdentity(), adoptions: 2 });
});

test('facts or marks that are damaged are no run to go on with, and end no loop', async () => {
  const { folder } = await leave();
  await writeFile(join(folder.directory, 'run.json'), '{"key": 7');
  expect(await findResumableRun(task, WANTED)).toBeUndefined();
  expect(await hasLivingRun(task)).toBe(false);
  const loop = { supervisor: dead(), child: null, adoptions: 0 };
  await writeFile(join(folder.directory, 'taken-0'), JSON.stringify(loop));
  expect(readMark(folder.directory)).toEqual(loop);
});

test('a claim of a run whose folder went meanwhile is an error that says so, not a run', async () => {
  const { folder } = await leave();
  const mark = readMark(folder.directory);
  if (mark === undefined) throw new Error('no mark');
  await folder.remove();
  expect(() => claimRun(folder.directory, mark)).toThrow('ENOENT');
  await vi.waitFor(() => expect(existsSync(folder.directory)).toBe(false));
});
