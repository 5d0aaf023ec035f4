import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDialect } from '../agent/dialects/dialects.ts';
import { endRun, forgetRuns } from '../agent/orphan-runs.ts';
import { findResumableRun, fingerprintOf, type OrphanRun } from '../agent/resume-run.ts';
import { type AgentProcessOptions, adoptAgentProcess, runAgentProcess } from '../agent/run-agent.ts';
import { inheritedEnvironment } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { ATTR } from '../model/attributes.ts';
import { checkId } from '../model/ids.ts';
import { otlpTokenOf } from '../receive/otlp-token.ts';
import { type AgentRunner, setAgentRunner } from '../record/task/agent-port.ts';
import { findHolder } from '../store/lock.ts';
import { activeTrail, agentFolder, type Trail } from './trail.ts';

/** What the service knows and an agent must not: it would let it forge the webhooks that start it. */
const WITHHELD: readonly string[] = [
  'GITHUB_WEBHOOK_SECRET',
  'JIRA_WEBHOOK_SECRET',
  'SLACK_SIGNING_SECRET',
  'TASK_LOGS_API_TOKEN',
  'REDIS_URL',
];

/** Makes `task.runAgent` start real programs. */
export function installAgentRunner(): void {
  setAgentRunner(agentRunner);
}

const agentRunner: AgentRunner = {
  async resume(taskId, command, options) {
    try {
      const found = pending.get(pendingName(taskId, options.key));
      if (found !== undefined) return { origin: found.facts.origin ?? undefined };
      const fingerprint = fingerprintOf(command, options.dialect ?? 'text');
      const left = await findResumableRun(taskFolder(taskId), { key: options.key, fingerprint });
      if (left === undefined) return undefined;
      if (left.kind === 'ended') return { outcome: left.outcome, origin: left.facts.origin ?? undefined };
      pending.set(pendingName(taskId, options.key), left);
      return { origin: left.facts.origin ?? undefined };
    } catch (error) {
      // A run that cannot be looked at is begun anew, as if nothing had been left of it.
      activeTrail()?.books.setNotice('runs left by dead processes', messageOf(error));
      return undefined;
    }
  },

  async run(command, { name: _name, env, telemetry, ...rest }, recording) {
    const taskId = checkId('task id', recording.taskId);
    const left = pending.get(pendingName(taskId, rest.key));
    pending.delete(pendingName(taskId, rest.key));
    const directory = taskFolder(taskId);
    const options: AgentProcessOptions = {
      ...rest,
      directory,
      recording,
      document: `${JSON.stringify(recording.input)}\n`,
      env: {
        ...(await childEnvironment(taskId, recording.attempt, telemetry === true ? rest.dialect : undefined)),
        TASK_LOGS_TASK_ID: taskId,
        ...env,
      },
    };
    running.set(taskId, (running.get(taskId) ?? 0) + 1);
    try {
      return await (left === undefined
        ? runAgentProcess(command, options)
        : adoptAgentProcess(left, options));
    } finally {
      const others = (running.get(taskId) ?? 1) - 1;
      if (others > 0) running.set(taskId, others);
      else if (running.delete(taskId) && over.delete(taskId)) removeRuns(taskId);
    }
  },

  forget(taskId) {
    if (running.has(taskId)) over.add(taskId);
    for (const [name, { folder }] of pending) {
      if (!name.startsWith(pendingName(taskId, ''))) continue;
      pending.delete(name);
      // Ours since it was found: nobody else would end its agent.
      endRun(folder.directory).catch(noteProblem);
    }
    removeRuns(taskId);
  },
};

/** How many runs of each task go on in this process. */
const running = new Map<string, number>();

/** Tasks that have ended before their runs. */
const over = new Set<string>();

/** Not waited for: what is left after a crash in the middle is removed by whoever sweeps. */
function removeRuns(taskId: string): void {
  forgetRuns(taskFolder(taskId)).catch(noteProblem);
}

function noteProblem(error: unknown): void {
  activeTrail()?.books.setNotice('runs that have ended', messageOf(error));
}

/** Found and claimed, and about to be gone on with. */
const pending = new Map<string, Extract<OrphanRun, { kind: 'running' }>>();

function pendingName(taskId: string, key: string): string {
  return `${taskId}\n${key}`;
}

/** Where the runs of a task are, while it is worked on. */
function taskFolder(taskId: string): string {
  const trail = activeTrail();
  // Nothing is recorded: then nothing is left below the log directory either, which may not even be there.
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

/** Ours, less the secrets, plus where the child's own telemetry goes and which task it is about. */
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
  // All of it is about another place: headers with its key must not be sent to ours, nor signals past us.
  for (const name of Object.keys(env)) if (name.startsWith('OTEL_EXPORTER_OTLP_')) delete env[name];
  env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/protobuf';
  const token = trail?.config.apiToken;
  const headers = token === undefined ? undefined : `Authorization=Bearer%20${otlpTokenOf(token)}`;
  if (headers !== undefined) env.OTEL_EXPORTER_OTLP_HEADERS = headers;
  if (telemetryOf === undefined) return env;
  return { ...env, ...findDialect(telemetryOf).telemetryEnv?.(url, headers) };
}

/** Of the process that holds the log directory, when that is another one. Without it the child's own settings stay. */
async function holderUrl({ config }: Trail): Promise<string | undefined> {
  if (config.otlpEndpoint !== undefined && !config.store) return undefined;
  try {
    return (await findHolder(config.logDir))?.otlp_url ?? undefined;
  } catch {
    // ENOENT, EACCES: nobody holds it.
    return undefined;
  }
}

function isOurs(pair: string): boolean {
  return pair.startsWith(`${ATTR.taskId}=`) || pair.startsWith(`${ATTR.attempt}=`);
}
