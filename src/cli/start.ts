import { agentProblems, programOf, usesSampleAgent } from '../app/commands.ts';
import { destinationsOf, HOLDER } from '../app/destinations.ts';
import { type Service, startService } from '../app/start.ts';
import { type Config, loadConfig } from '../config.ts';
import { SAMPLE_AGENT } from '../config-file.ts';
import { readVersion } from './version.ts';

/** A start takes well below a second; one that goes on for so long after a signal hangs. */
const START_GRACE_MS = 3_000;

/** Runs the service until SIGINT or SIGTERM. A second signal ends it at once. */
export async function start(
  flags: Readonly<Record<string, string | undefined>>,
  configFile: string | undefined,
): Promise<void> {
  const config = loadConfig({ flags, ...(configFile !== undefined && { configFile }) });
  const stopped = nextSignal();
  // Whoever read what we print may be gone (EPIPE, EIO): no reason for the service to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  let isStarted = false;
  void stopped.then((signal) => setTimeout(() => isStarted || giveUp(signal), START_GRACE_MS).unref());
  const service = await startService(config, (line) => process.stderr.write(`tasktrail: ${line}\n`));
  isStarted = true;
  process.stdout.write(describeService(service));
  void service.requeued.then((count) => {
    if (count > 0) process.stdout.write(`${count} unfinished task(s) of an earlier run are queued again\n`);
  });
  const signal = await stopped;
  process.stdout.write(`\n${signal}: stopping (once more to end at once)\n`);
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  await service.stop();
  process.stdout.write(describeEnd(service));
  process.exit(0);
}

/** A disk that hangs must not keep the start from being interrupted; what is half started is recovered by the next. */
function giveUp(signal: NodeJS.Signals): void {
  process.stderr.write(`tasktrail: ${signal} during a start that does not get on; nothing was begun\n`);
  process.exit(1);
}

/** Asked for before anything is started, so that a signal during the start ends cleanly as well. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    // The terminal was closed.
    process.once('SIGHUP', resolve);
  });
}

export function describeService({ config, trail, url }: Service): string {
  const lines = [
    `tasktrail ${readVersion()}`,
    row('webhooks', `POST ${url}/webhooks/github`),
    row('REST', `${url}/api/tasks`),
    row('health', `${url}/readyz`),
  ];
  if (trail.otlpUrl !== undefined)
    lines.push(row('OTLP', `${trail.otlpUrl}${portNote(config, trail.otlpUrl)}`));
  lines.push(row('writes to', config.enabled ? config.logDir : 'nothing'));
  if (config.s3 !== undefined) lines.push(row('S3', `s3://${config.s3.bucket}/${config.s3.prefix}`));
  lines.push(row('agent', agentNote(config)));
  for (const problem of agentProblems(config)) lines.push(row('agent', problem));
  for (const [index, note] of offNotes(config).entries()) lines.push(row(index === 0 ? 'off' : '', note));
  return `${lines.join('\n')}\n`;
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(10)} ${text}`;
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

/** What does not work as the service is set up, and what would switch it on. */
function offNotes(config: Config): readonly string[] {
  const notes: string[] = [];
  if (!config.enabled) notes.push('recording: TASK_LOGS_ENABLED is false');
  if (config.enabled && !config.store)
    notes.push('the store: TASK_LOGS_STORE is false, records are only sent');
  if (config.githubSecret === undefined)
    notes.push('GitHub webhooks (answered with 503): set GITHUB_WEBHOOK_SECRET');
  if (config.githubToken === undefined) notes.push('the eyes reaction on comments: set GITHUB_TOKEN');
  if (config.otlpEndpoint === undefined) notes.push('Jaeger or a collector: set OTEL_EXPORTER_OTLP_ENDPOINT');
  return notes;
}

/** What became of the records of this run; a place that is away gets the rest with the next start. */
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
