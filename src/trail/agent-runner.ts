import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Account, findAccount } from '../agent/account.ts';
import type { RunBudget } from '../agent/budget-watch.ts';
import { DEFAULT_DIALECT } from '../agent/dialects/dialects.ts';
import { heldBack } from '../agent/held-back.ts';
import { leftRecordsFolder } from '../agent/left-records.ts';
import { endRun, removeEndedRuns } from '../agent/orphan-runs.ts';
import { findResumableRun, fingerprintOf, type PendingRun } from '../agent/resume-run.ts';
import {
  type AgentProcessOptions,
  adoptAgentProcess,
  refuseRun,
  runAgentProcess,
} from '../agent/run-agent.ts';
import type { Config } from '../config/config.ts';
import { processEnvironment } from '../config/environment.ts';
import { variablesOf } from '../config/file/agent-variables.ts';
import { messageOf } from '../errors.ts';
import type { Budget } from '../model/budget.ts';
import { checkId } from '../model/ids.ts';
import { type AgentRunner, setAgentRunner } from '../record/task/agent-port.ts';
import { warn } from '../system/warning.ts';
import { agentEnvironment } from './agents/agent-environment.ts';
import { droppedText, heldBackText } from './agents/handed-texts.ts';
import { leftRecordsTarget, receiverOf } from './agents/holder-receiver.ts';
import { sendLeftRecords } from './agents/send-left-records.ts';
import { TaskUsage } from './agents/task-usage.ts';
import { type ActiveTrail, activeTrail, agentFolder } from './trail.ts';

/** Where the command of an agent comes from, which decides what it gets. */
export interface RunnerRole {
  /** `tasktrail run`: the user's own command in the user's own shell. It keeps the environment of the shell and the user. */
  readonly isOwnShell?: boolean;
  /** The service names at its start what is held back or left out. Default: a warning with the first run. */
  readonly isSilent?: boolean;
}

let role: RunnerRole = {};

/** How long the end of a run waits for a receiver that is away. */
const LEFT_MS = 2_000;

/** Makes `task.runAgent` start programs. */
export function installAgentRunner(ofCaller: RunnerRole = {}): void {
  role = ofCaller;
  setAgentRunner(agentRunner);
}

const agentRunner: AgentRunner = {
  async resume(taskId, command, options) {
    try {
      const pending = pendingRuns.get(pendingName(taskId, options.key));
      if (pending !== undefined) return { origin: pending.facts.origin ?? undefined };
      const fingerprint = fingerprintOf(command, options.dialect ?? DEFAULT_DIALECT);
      const orphan = await findResumableRun(taskFolder(taskId), { key: options.key, fingerprint });
      if (orphan === undefined) return undefined;
      const origin = orphan.facts.origin ?? undefined;
      if (orphan.kind === 'ended') return { outcome: orphan.outcome, origin };
      pendingRuns.set(pendingName(taskId, options.key), orphan);
      return { origin };
    } catch (error) {
      // The run is started again, as if there were no orphan.
      activeTrail()?.books.setNotice('runs left by dead processes', messageOf(error));
      return undefined;
    }
  },

  async run(command, { name, env: given = {}, telemetry, user, budget, spent: _, ...rest }, recording) {
    const taskId = checkId('task id', recording.taskId);
    const { dialect = DEFAULT_DIALECT } = rest;
    const trail = activeTrail();
    let account: Account | undefined;
    try {
      account = role.isOwnShell === true ? undefined : accountOf(user, trail?.config);
    } catch (error) {
      return refuseRun(recording, error);
    }
    const target = await telemetryTarget(taskId);
    const { env, dropped } = agentEnvironment({
      ...target,
      ...{ taskId, attempt: recording.attempt, config: trail?.config, account, given },
      telemetryOf: telemetry === true ? dialect : undefined,
      isOwnShell: role.isOwnShell === true,
    });
    const agent = name ?? basename(command[0] ?? '');
    const isNamed = (variable: string): boolean =>
      role.isSilent === true && (variable in given || variable in variablesOf(trail?.config.agentEnv).values);
    for (const variable of dropped) if (!isNamed(variable)) warnOnce(droppedText(variable, agent));
    if (role.isSilent !== true && role.isOwnShell !== true) warnHeldBack(command, { agent, dialect, env });
    const options: AgentProcessOptions = {
      ...lingerDefault(),
      ...rest,
      ...{ directory: taskFolder(taskId), recording, env, account },
      document: `${JSON.stringify(recording.input)}\n`,
      isConfined: trail !== undefined && role.isOwnShell !== true,
      onLeftRecords: () => sendLeft(taskId),
      budget: budget && runBudget(budget, taskId),
    };
    // Taken after everything that can fail: `forget` ends a pending run that was not resumed.
    const pending = pendingRuns.get(pendingName(taskId, rest.key));
    pendingRuns.delete(pendingName(taskId, rest.key));
    running.set(taskId, (running.get(taskId) ?? 0) + 1);
    try {
      return await (pending === undefined
        ? runAgentProcess(command, options)
        : adoptAgentProcess(pending, options));
    } finally {
      const others = (running.get(taskId) ?? 1) - 1;
      if (others > 0) running.set(taskId, others);
      else if (running.delete(taskId)) {
        const which = endedTasks.get(taskId);
        if (endedTasks.delete(taskId)) removeRuns(taskId, which);
      }
    }
  },

  forget(taskId, which) {
    if (running.has(taskId)) endedTasks.set(taskId, which);
    for (const [name, { folder }] of pendingRuns) {
      if (!name.startsWith(pendingName(taskId, ''))) continue;
      pendingRuns.delete(name);
      // This process has claimed the run, so no other process will end its agent.
      endRun(folder.directory).catch(noteProblem);
    }
    removeRuns(taskId, which);
  },
};

/** Without a trail nothing reports to the task. */
function runBudget(limits: Budget, taskId: string): RunBudget {
  const trail = activeTrail();
  const isMeasured = limits.usd !== undefined || limits.tokens !== undefined;
  if (trail === undefined || !isMeasured) return { limits };
  const usage = new TaskUsage(trail.config.logDir, taskId);
  return { limits, reported: () => usage.read() };
}

function lingerDefault(): { lingerMs?: number } {
  const seconds = activeTrail()?.config.agentLingerSeconds;
  return seconds === undefined ? {} : { lingerMs: seconds * 1_000 };
}

/** Number of runs of each task that this process supervises. */
const running = new Map<string, number>();

/** Tasks whose attempt ended while one of their runs was still going on, with the runs to remove. */
const endedTasks = new Map<string, 'all' | 'failed'>();

/** Runs that `resume` has claimed and `run` has not taken over yet. */
const pendingRuns = new Map<string, PendingRun>();

function pendingName(taskId: string, key: string): string {
  return `${taskId}\n${key}`;
}

/** Not awaited: the sweep of orphaned runs removes the rest after a crash. */
function removeRuns(taskId: string, which: 'all' | 'failed' | undefined): void {
  removeEndedRuns(taskFolder(taskId), which).catch(noteProblem);
}

function noteProblem(error: unknown): void {
  activeTrail()?.books.setNotice(
    'runs of ended tasks',
    `files of ended runs in _agent cannot be removed: ${messageOf(error)}`,
  );
}

/** Holds the folders of the task's runs. */
function taskFolder(taskId: string): string {
  const trail = activeTrail();
  // Without recording the log directory may not exist, and nothing is written to it.
  const parent = trail === undefined ? unrecordedFolder() : agentFolder(trail.config.logDir);
  return join(parent, checkId('task id', taskId));
}

let unrecorded: string | undefined;

function unrecordedFolder(): string {
  if (unrecorded !== undefined) return unrecorded;
  const folder = mkdtempSync(join(tmpdir(), 'tasktrail-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  unrecorded = folder;
  return folder;
}

/** Not waited for longer: the sweep of orphaned runs sends the rest. */
async function sendLeft(taskId: string): Promise<void> {
  const trail = activeTrail();
  if (trail === undefined) return;
  const folder = leftRecordsFolder(join(taskFolder(taskId), 'run'));
  await sendLeftRecords(folder, taskId, { ...leftRecordsTarget(trail), patienceMs: LEFT_MS });
}

/** Where the agent's telemetry goes, and the token of its task. */
async function telemetryTarget(
  taskId: string,
): Promise<{ readonly receiver: string | undefined; readonly token: string | undefined }> {
  const trail = activeTrail();
  if (trail === undefined) return { receiver: undefined, token: undefined };
  return { receiver: await receiverOf(trail), token: await tokenOf(trail, taskId) };
}

/** The agent runs without a token, and its records as those of a stranger, when the key cannot be read. */
async function tokenOf(trail: ActiveTrail, taskId: string): Promise<string | undefined> {
  try {
    return await trail.agentToken(taskId);
  } catch (error) {
    trail.books.setNotice(
      'tokens of agents',
      `agents start without a token, so the receiver refuses their telemetry: ${messageOf(error)}`,
    );
    return undefined;
  }
}

/** Throws `ERR_CONFIG_INVALID`, see `findAccount`. */
function accountOf(user: string | undefined, config: Config | undefined): Account | undefined {
  const text = user ?? config?.agentUser;
  if (text === undefined) return undefined;
  const setting = user === undefined ? 'TASK_LOGS_AGENT_USER' : 'the user of the agent';
  const known = accounts.get(text) ?? findAccount(text, setting);
  accounts.set(text, known);
  return known;
}

/** Looking up a user takes some milliseconds, and the answer stays true while the service runs. */
const accounts = new Map<string, Account>();

const warned = new Set<string>();

function warnOnce(text: string): void {
  if (warned.has(text)) return;
  warned.add(text);
  warn(text);
}

function warnHeldBack(
  command: readonly string[],
  { agent, dialect, env }: { agent: string; dialect: string; env: Readonly<Record<string, string>> },
): void {
  const names = heldBack(command, dialect, { env: processEnvironment().variables, handed: env });
  if (names.length > 0) warnOnce(heldBackText(names, [agent], 'TASK_LOGS_AGENT_ENV or in env of runAgent'));
}
