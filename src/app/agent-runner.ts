import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAgentProcess } from '../agent/run-agent.ts';
import { markRun } from '../agent/run-mark.ts';
import { inheritedEnvironment } from '../config.ts';
import { messageOf } from '../errors.ts';
import type { AgentOutcome } from '../model/agent.ts';
import { ATTR } from '../model/attributes.ts';
import { checkId } from '../model/ids.ts';
import { type AgentRunner, setAgentRunner } from '../record/task.ts';
import { activeTrail, agentFolder } from './trail.ts';

/** What the service knows and an agent must not: it would let it forge the webhooks that start it. */
const WITHHELD = [
  'GITHUB_WEBHOOK_SECRET',
  'JIRA_WEBHOOK_SECRET',
  'SLACK_SIGNING_SECRET',
  'TASK_LOGS_API_TOKEN',
] as const;

/** Makes `task.runAgent` start real programs. */
export function installAgentRunner(): void {
  setAgentRunner(runForTask);
}

const runForTask: AgentRunner = async (command, options, recording) => {
  const taskId = checkId('task id', recording.taskId);
  let taskFolder: string;
  let directory: string;
  let inputFile: string;
  try {
    taskFolder = await openTaskFolder(taskId);
    // A folder of its own for each run: a task may run several agents side by side.
    directory = await mkdtemp(join(taskFolder, 'run-'));
    markRun(directory);
    inputFile = join(directory, 'input.json');
    await writeFile(inputFile, `${JSON.stringify(recording.input)}\n`, { mode: 0o600 });
  } catch (error) {
    const outcome = notStarted(`the run's files cannot be made: ${messageOf(error)}`);
    recording.end(outcome);
    return outcome;
  }
  const { name: _name, env, ...rest } = options;
  try {
    return await runAgentProcess(command, {
      ...rest,
      directory,
      recording,
      onStart: (pid) => markAgent(directory, pid),
      env: {
        ...childEnvironment(taskId, recording.attempt),
        TASK_LOGS_TASK_ID: taskId,
        TASK_LOGS_INPUT_FILE: inputFile,
        ...env,
      },
    });
  } finally {
    await discard(directory, taskFolder);
  }
};

/** So that whoever comes after a crash of ours can end the agent before it is run again. */
function markAgent(directory: string, pid: number): void {
  try {
    markRun(directory, pid);
  } catch {
    // ENOSPC and its like: the run itself is not worse for it, and its output says the same soon.
  }
}

async function openTaskFolder(taskId: string): Promise<string> {
  const trail = activeTrail();
  // Nothing is recorded: then nothing is left below the log directory either, which may not even be there.
  if (trail === undefined) return mkdtemp(join(tmpdir(), 'tasktrail-'));
  const folder = join(agentFolder(trail.config.logDir), taskId);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

async function discard(directory: string, taskFolder: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
    await rmdir(taskFolder);
  } catch {
    // ENOTEMPTY: another run of this task goes on. EACCES, EROFS, EBUSY: they stay; the run is not worse for it.
  }
}

function notStarted(error: string): AgentOutcome {
  return {
    success: false,
    result: null,
    error,
    errorType: 'spawn',
    exitCode: null,
    signal: null,
    usage: {},
    model: null,
  };
}

/** Ours, less the secrets, plus where the child's own telemetry goes and which task it is about. */
function childEnvironment(taskId: string, attempt: number): Record<string, string> {
  const env = inheritedEnvironment();
  for (const name of WITHHELD) delete env[name];
  const trail = activeTrail();
  const attributes = [`${ATTR.taskId}=${taskId}`, `${ATTR.attempt}=${attempt}`];
  const given = (env.OTEL_RESOURCE_ATTRIBUTES ?? '')
    .split(',')
    .filter((pair) => pair !== '' && !isOurs(pair));
  env.OTEL_RESOURCE_ATTRIBUTES = [...given, ...attributes].join(',');
  const url = trail?.otlpUrl;
  if (url !== undefined) {
    // All of it is about another place: headers with its key must not be sent to ours, nor signals past us.
    for (const name of Object.keys(env)) if (name.startsWith('OTEL_EXPORTER_OTLP_')) delete env[name];
    env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
    env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/protobuf';
    const token = trail?.config.apiToken;
    if (token !== undefined)
      env.OTEL_EXPORTER_OTLP_HEADERS = `Authorization=Bearer%20${encodeURIComponent(token)}`;
  }
  return env;
}

function isOurs(pair: string): boolean {
  return pair.startsWith(`${ATTR.taskId}=`) || pair.startsWith(`${ATTR.attempt}=`);
}
