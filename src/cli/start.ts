import { type Config, loadConfig } from '../config/config.ts';
import { SAMPLE_AGENT } from '../config/file/agent-schema.ts';
import { TasktrailError } from '../errors.ts';
import type { Endpoint } from '../journal/destination.ts';
import { isLoopback } from '../model/loopback.ts';
import { safeLogLine } from '../redact/log-line.ts';
import { agentAccessNotes } from '../service/agent-access.ts';
import { agentProblems, programOf, usesSampleAgent } from '../service/commands.ts';
import { type Role, type Service, startService } from '../service/start.ts';
import { findHolder, type LockRecord } from '../store/lock.ts';
import { readVersion } from '../system/version.ts';
import { destinationsOf, endpointsOf, HOLDER } from '../trail/destinations.ts';
import { openDoorNote } from './open-door.ts';
import { row, webhookNames, webhookNotes } from './service-rows.ts';
import { StopSignals } from './stop-signals.ts';
import { escapeText } from './terminal/terminal-text.ts';

/** How long a start may still take after a signal. It takes well below a second: a longer one hangs. */
const START_GRACE_MS = 3_000;

/**
 * Runs the service, or one of its roles, until SIGINT, SIGTERM or SIGHUP, and exits with 0. Throws what `startService`
 * throws; for `ERR_DIRECTORY_HELD` the message names the process that holds the directory.
 */
export async function start(
  flags: Readonly<Record<string, string | undefined>>,
  configFile: string | undefined,
  role: Role = 'all',
): Promise<void> {
  const config = loadConfig({ flags, ...(configFile !== undefined && { configFile }) });
  // Before anything is started, so that a signal during the start ends it cleanly as well.
  const signals = new StopSignals();
  // The reader of the output may be gone (EPIPE, EIO). The service goes on without it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  let isStarted = false;
  if (role === 'all' && config.storeUrl !== undefined)
    throw new TasktrailError(
      'ERR_CONFIG_INVALID',
      'TASK_LOGS_STORE_URL is for "tasktrail serve": "tasktrail start" keeps its tasks in files',
    );
  if (role !== 'worker' && config.storeUrl === undefined && config.tenant !== undefined)
    throw new TasktrailError(
      'ERR_CONFIG_INVALID',
      `TASK_LOGS_TENANT is for "tasktrail serve" over VictoriaLogs and for "tasktrail worker": leave it out for "tasktrail ${role === 'all' ? 'start' : role}" without TASK_LOGS_STORE_URL`,
    );
  if (role === 'serve' && config.storeUrl !== undefined)
    return (await import('./serve-warehouse.ts')).serveWarehouse(config, signals);
  const stopped = signals.first();
  void stopped.then((signal) => setTimeout(() => isStarted || giveUp(signal), START_GRACE_MS).unref());
  const service = await startUnheld(config, role);
  isStarted = true;
  process.stdout.write(escapeText(describeService(service)));
  void service.requeued.then((count) => {
    if (count > 0) process.stdout.write(`${count} unfinished task(s) of an earlier run are queued again\n`);
  });
  process.stdout.write(
    `\n${await stopped}: stopping (again after two seconds: end at once; running agents are adopted by the next start)\n`,
  );
  await service.stop();
  process.stdout.write(escapeText(describeEnd(service)));
  process.exit(0);
}

async function startUnheld(config: Config, role: Role): Promise<Service> {
  try {
    return await startService(config, {
      role,
      log: (line) => process.stderr.write(`tasktrail: ${safeLogLine(line)}\n`),
      onLost: (line) => {
        process.stderr.write(`tasktrail: ${safeLogLine(line)}. This service ends; running agents go on\n`);
        process.exit(1);
      },
    });
  } catch (error) {
    if (!(error instanceof TasktrailError) || error.code !== 'ERR_DIRECTORY_HELD') throw error;
    throw alreadyRunning(config.logDir, await findHolder(config.logDir).catch(() => undefined), error);
  }
}

/** Without a holder (it has ended since, or its lock cannot be read) the message of the error stays. */
function alreadyRunning(
  logDir: string,
  holder: LockRecord | undefined,
  cause: TasktrailError,
): TasktrailError {
  const address = holder?.otlp_url == null ? '' : `, OTLP at ${holder.otlp_url}`;
  const found =
    holder === undefined
      ? cause.message
      : `already running (pid ${holder.pid} on ${holder.host}${address}), with the log directory ${logDir}`;
  const advice = 'stop it, or use another directory: --dir <directory> (TASK_LOGS_DIR)';
  return new TasktrailError(cause.code, `${found}\n${advice}`, { cause });
}

/** A hanging disk must not keep the process from ending. The next start recovers a start that was cut off. */
function giveUp(signal: NodeJS.Signals): void {
  process.stderr.write(
    `tasktrail: ${signal} during the start, which has not finished ${START_GRACE_MS / 1_000} s later: ended. No task was started\n`,
  );
  process.exit(1);
}

export function describeService({ config, role, trail, url }: Service): string {
  const lines = [`tasktrail ${readVersion()}${role === 'all' ? '' : `, ${role}`}`];
  if (url !== undefined) {
    lines.push(row('page', `${url}/`));
    lines.push(row('webhooks', `POST ${url}/webhooks/${webhookNames(config).join(' | ')}`));
    lines.push(row('REST', `${url}/api/tasks`), row('health', `${url}/readyz`));
  }
  if (trail.otlpUrl !== undefined)
    lines.push(row('OTLP', `${trail.otlpUrl}${portNote(config, trail.otlpUrl)}`));
  if (config.redisUrl !== undefined) lines.push(row('queue', `Redis at ${new URL(config.redisUrl).host}`));
  const isHolding = role !== 'worker' && (config.store || !config.enabled);
  if (isHolding) lines.push(row('writes to', storeNote(config)));
  if (!isHolding) lines.push(row('sends to', destinationNote(config)));
  else if (config.enabled) {
    for (const endpoint of endpointsOf(config))
      lines.push(row('sends to', endpointNote(endpoint, trail.otlpUrl)));
  }
  if (config.s3 !== undefined && role !== 'worker')
    lines.push(row('S3', `s3://${config.s3.bucket}/${config.s3.prefix}`));
  if (role !== 'serve') {
    lines.push(row('agent', agentNote(config)));
    for (const note of [...agentProblems(config), ...agentAccessNotes(config)])
      lines.push(row('agent', note));
  }
  for (const note of config.notes) lines.push(row('note', note));
  const openDoor = openDoorNote(config, role);
  if (openDoor !== undefined) lines.push(row('warning', openDoor));
  for (const [index, note] of offNotes(config, role).entries())
    lines.push(row(index === 0 ? 'off' : '', note));
  return `${lines.join('\n')}\n`;
}

function storeNote(config: Config): string {
  return config.enabled ? config.logDir : 'nothing';
}

/** Where the records of a worker go. The process that holds the log directory writes the files. */
function destinationNote(config: Config): string {
  if (!config.enabled) return 'nothing';
  const names = destinationsOf(config).map((destination) =>
    destination === HOLDER ? `the process that holds ${config.logDir}` : destination,
  );
  return names.join(' and ');
}

function endpointNote({ key, signals }: Endpoint, own: string | undefined): string {
  const url = new URL(key);
  const place = key.replace(/\/$/, '');
  const isOwn = own !== undefined && isLoopback(url.hostname) && url.port === new URL(own).port;
  if (isOwn) return `${place}, its own receiver: set TASK_LOGS_OTLP_PORT to another port`;
  return signals.size > 1 ? place : `${place} (${[...signals].join()} only)`;
}

function portNote(config: Config, url: string): string {
  if (config.otlpPort === 0 || url.endsWith(`:${config.otlpPort}`)) return '';
  return ` (port ${config.otlpPort} is taken; set TASK_LOGS_OTLP_PORT to choose one)`;
}

function agentNote(config: Config): string {
  if (usesSampleAgent(config)) {
    return `${SAMPLE_AGENT}, a bundled sample that changes nothing: set TASK_LOGS_AGENT_COMMAND or "agents" in tasktrail.config.json`;
  }
  return Object.entries(config.agents)
    .map(([name, agent]) => `${name} (${programOf(agent)})`)
    .join(', ');
}

/** Parts of the service that are off, and the setting that switches each on. */
function offNotes(config: Config, role: Role): readonly string[] {
  const notes: string[] = [];
  if (!config.enabled) notes.push('recording: TASK_LOGS_ENABLED is false');
  if (config.enabled && !config.store && role !== 'worker')
    notes.push(
      endpointsOf(config).length === 0
        ? 'the store: TASK_LOGS_STORE is false; records wait in the log directory until another process holds it, or OTEL_EXPORTER_OTLP_ENDPOINT is set'
        : 'the store: TASK_LOGS_STORE is false, records are only sent',
    );
  if (role !== 'worker') notes.push(...webhookNotes(config));
  if (endpointsOf(config).length === 0) notes.push('Jaeger or a collector: set OTEL_EXPORTER_OTLP_ENDPOINT');
  return notes;
}

/** How many records were made, stored, sent and dropped. Records that wait are sent by the next start. */
export function describeEnd({ config, trail }: Pick<Service, 'config' | 'trail'>): string {
  if (!config.enabled) return 'stopped. Nothing was recorded: TASK_LOGS_ENABLED is false\n';
  const { recorded, dropped } = trail.books.snapshot();
  const reasons = new Map(trail.books.reasons);
  const waiting: string[] = [];
  const done: string[] = [];
  for (const destination of destinationsOf(config)) {
    const reason = reasons.get(destination);
    reasons.delete(destination);
    const isHolder = destination === HOLDER;
    if (reason !== undefined) waiting.push(`${reason} for ${isHolder ? 'the log directory' : destination}`);
    else done.push(isHolder ? 'stored' : `sent to ${destination}`);
  }
  const lost = Object.entries(dropped).map(([reason, count]) => `${count} dropped (${reason})`);
  const all = lost.length === 0 && recorded > 0 && done.length > 0 ? [`all ${done.join(' and ')}`] : [];
  const lines = [`stopped. ${[`${recorded} records recorded`, ...all, ...lost, ...waiting].join(', ')}`];
  for (const [part, reason] of [...reasons, ...trail.books.notices]) lines.push(`${part}: ${reason}`);
  return `${lines.join('\n')}\n`;
}
