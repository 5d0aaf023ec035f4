import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_DIALECT, findDialect } from '../agent/dialects/dialects.ts';
import { endRun, removeEndedRuns } from '../agent/orphan-runs.ts';
import { findResumableRun, fingerprintOf, type PendingRun } from '../agent/resume-run.ts';
import { type AgentProcessOptions, adoptAgentProcess, runAgentProcess } from '../agent/run-agent.ts';
import { inheritedEnvironment } from '../config/environment.ts';
import { messageOf } from '../errors.ts';
import { destinationsOf, HOLDER } from '../journal/destination.ts';
import { ATTR } from '../model/attributes.ts';
import { checkId } from '../model/ids.ts';
import { type AgentRunner, setAgentRunner } from '../record/task/agent-port.ts';
import { proveHolder } from '../store/proven-holder.ts';
import { noProxyFor } from './no-proxy.ts';
import { activeTrail, agentFolder, type Trail } from './trail.ts';

/** Secrets of the service: with them an agent could forge the webhooks that start agents, and records of other tasks. */
const WITHHELD: readonly string[] = [
  'GITHUB_WEBHOOK_SECRET',
  'JIRA_WEBHOOK_SECRET',
  'SLACK_SIGNING_SECRET',
  'TASK_LOGS_API_TOKEN',
  'TASK_LOGS_KEY',
  'REDIS_URL',
];

/** Makes `task.runAgent` start programs. */
export function installAgentRunner(): void {
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

  async run(command, { name: _name, env, telemetry, ...rest }, recording) {
    const taskId = checkId('task id', recording.taskId);
    const directory = taskFolder(taskId);
    const { dialect = DEFAULT_DIALECT } = rest;
    const own = await childEnvironment(taskId, recording.attempt, telemetry === true ? dialect : undefined);
    const whole = { ...own, TASK_LOGS_TASK_ID: taskId, ...env };
    const options: AgentProcessOptions = {
      ...lingerDefault(),
      ...rest,
      directory,
      recording,
      document: `${JSON.stringify(recording.input)}\n`,
      env: { ...whole, ...noProxyFor(whole, own.OTEL_EXPORTER_OTLP_ENDPOINT) },
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
      else if (running.delete(taskId) && endedTasks.delete(taskId)) removeRuns(taskId);
    }
  },

  forget(taskId) {
    if (running.has(taskId)) endedTasks.add(taskId);
    for (const [name, { folder }] of pendingRuns) {
      if (!name.startsWith(pendingName(taskId, ''))) continue;
      pendingRuns.delete(name);
      // This process has claimed the run, so no other process will end its agent.
      endRun(folder.directory).catch(noteProblem);
    }
    removeRuns(taskId);
  },
};

function lingerDefault(): { lingerMs?: number } {
  const seconds = activeTrail()?.config.agentLingerSeconds;
  return seconds === undefined ? {} : { lingerMs: seconds * 1_000 };
}

/** Number of runs of each task that this process supervises. */
const running = new Map<string, number>();

/** Tasks that ended while one of their runs was still going on. */
const endedTasks = new Set<string>();

/** Runs that `resume` has claimed and `run` has not taken over yet. */
const pendingRuns = new Map<string, PendingRun>();

function pendingName(taskId: string, key: string): string {
  return `${taskId}\n${key}`;
}

/** Not awaited: the sweep of orphaned runs removes the rest after a crash. */
function removeRuns(taskId: string): void {
  removeEndedRuns(taskFolder(taskId)).catch(noteProblem);
}

function noteProblem(error: unknown): void {
  activeTrail()?.books.setNotice('runs of ended tasks', messageOf(error));
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

/** This process's environment without secrets, plus the target of the child's telemetry and the task's id in it. */
async function childEnvironment(
  taskId: string,
  attempt: number,
  telemetryOf: string | undefined,
): Promise<Record<string, string>> {
  const env = inheritedEnvironment();
  const trail = activeTrail();
  const secrets = new Set(Object.values(trail?.config.webhooks ?? {}).flatMap(({ secret }) => secret));
  for (const name of Object.keys(env)) {
    if (WITHHELD.includes(name) || secrets.has(env[name] ?? '')) delete env[name];
  }
  const attributes = [`${ATTR.taskId}=${taskId}`, `${ATTR.attempt}=${attempt}`];
  const given = (env.OTEL_RESOURCE_ATTRIBUTES ?? '')
    .split(',')
    .filter((pair) => pair !== '' && !isOurs(pair));
  env.OTEL_RESOURCE_ATTRIBUTES = [...given, ...attributes].join(',');
  const url = trail && (trail.otlpUrl ?? (await holderUrl(trail)));
  if (url === undefined) return env;
  // The inherited settings name another endpoint: its headers hold its key, and its per-signal URLs would bypass ours.
  for (const name of Object.keys(env)) if (name.startsWith('OTEL_EXPORTER_OTLP_')) delete env[name];
  env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/protobuf';
  const token = await trail?.agentToken(taskId);
  const headers = token === undefined ? undefined : `Authorization=Bearer%20${token}`;
  if (headers !== undefined) env.OTEL_EXPORTER_OTLP_HEADERS = headers;
  if (telemetryOf === undefined) return env;
  return { ...env, ...findDialect(telemetryOf).telemetryEnv?.(url, headers) };
}

/** Address of another process that holds the log directory. Without one the child keeps the inherited settings. */
async function holderUrl({ config }: Trail): Promise<string | undefined> {
  if (!destinationsOf(config).includes(HOLDER)) return undefined;
  try {
    const proof = await proveHolder(config.logDir, config.key);
    return proof.state === 'proven' ? (proof.holder.otlp_url ?? undefined) : undefined;
  } catch {
    // ENOENT, EACCES: the directory has no holder.
    return undefined;
  }
}

function isOurs(pair: string): boolean {
  return pair.startsWith(`${ATTR.taskId}=`) || pair.startsWith(`${ATTR.attempt}=`);
}
