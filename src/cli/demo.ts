import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../config/config.ts';
import { pickEnvironment } from '../config/environment.ts';
import { messageOf, TasktrailError } from '../errors.ts';
import { type Service, startService } from '../service/start.ts';
import { checkTask, printTask } from './demo-report.ts';

/** The sample's five runs take about three seconds; a busy machine may take ten times that. */
const TASK_TIMEOUT_MS = 60_000;

/** Spans end after the result that they lead to: how long the trace may lag behind. */
const TRACE_TIMEOUT_MS = 10_000;

const POLL_MS = 50;

/** One webhook through the whole service, in this process, on free ports and in a fresh directory. Gives the exit code. */
export async function demo(keepRunning: boolean): Promise<number> {
  const secret = randomBytes(24).toString('hex');
  const logDir = await mkdtemp(join(tmpdir(), 'tasktrail-demo-'));
  const config = loadConfig({
    flags: { PORT: '0', TASK_LOGS_OTLP_PORT: '0', TASK_LOGS_DIR: logDir, GITHUB_WEBHOOK_SECRET: secret },
    // The demo is the same on every machine: of the environment it takes where traces go and are seen, nothing else.
    env: pickEnvironment([
      'HOME',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      'OTEL_EXPORTER_OTLP_TIMEOUT',
      'TASK_LOGS_TRACE_URL',
    ]),
    cwd: logDir,
  });
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort(new TasktrailError('ERR_UNEXPECTED', 'interrupted'));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  let isRead = true;
  // Whoever read what we print has seen enough (`| head`): an end as good as any other.
  process.stdout.on('error', () => {
    isRead = false;
    stop();
  });
  const service = await startService(config, { log: (line) => process.stderr.write(`tasktrail: ${line}\n`) });
  print(`service   ${service.url}, writing to ${logDir}`);
  let isShown = false;
  try {
    const taskId = await sendWebhook(service, secret);
    await followTask(service, taskId, interrupted.signal);
    const missing = await waitForTrace(logDir, taskId, interrupted.signal);
    await printTask({ logDir, taskId, url: service.url ?? '', traceUrls: config.traceUrls });
    isShown = true;
    for (const problem of missing) print(`MISSING   ${problem}`);
    if (keepRunning && missing.length === 0 && !interrupted.signal.aborted) {
      print('\nThe service goes on running; Ctrl-C ends it.');
      await new Promise((resolve) => interrupted.signal.addEventListener('abort', resolve));
    }
    return missing.length === 0 ? 0 : 1;
  } catch (error) {
    if (!isRead) return 0;
    throw error;
  } finally {
    await service.stop();
    print(`\nThe service has ended. Its directory stays: ${logDir}`);
    if (isShown && !keepRunning) print('To try addresses like those: npm run demo -- --keep-running');
    print(`To serve this directory again: TASK_LOGS_DIR=${logDir} npm start`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** GitHub's own example payload, with a command in its comment, signed as GitHub signs. */
async function sendWebhook(service: Service, secret: string): Promise<string> {
  const payload = examplePayload();
  const body = JSON.stringify(payload);
  const response = await request(`${service.url}/webhooks/github`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issue_comment',
      'x-github-delivery': crypto.randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
    body,
  });
  const text = await response.text();
  print(`webhook   issue_comment.created, answered ${response.status} ${text}`);
  const answer: unknown = JSON.parse(text);
  const ids = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'task_ids') : undefined;
  if (response.status !== 202 || !Array.isArray(ids) || typeof ids[0] !== 'string') {
    throw new TasktrailError('ERR_UNEXPECTED', `the webhook was not accepted: ${text}`);
  }
  return ids[0];
}

function examplePayload(): object {
  let examples: unknown;
  try {
    examples = createRequire(import.meta.url)('@octokit/webhooks-examples');
  } catch (error) {
    throw new TasktrailError(
      'ERR_NOT_CONFIGURED',
      'the demo needs the package @octokit/webhooks-examples: run it in a checkout, after npm ci',
      { cause: error },
    );
  }
  // Its own type covers every event; only this one is wanted.
  const events = (Array.isArray(examples) ? examples : Reflect.get(Object(examples), 'default')) as readonly {
    readonly name: string;
    readonly examples: readonly { readonly action?: string; readonly comment?: object }[];
  }[];
  const example = events
    .find(({ name }) => name === 'issue_comment')
    ?.examples.find(({ action }) => action === 'created');
  if (example === undefined)
    throw new TasktrailError('ERR_UNEXPECTED', 'there is no issue_comment.created example');
  const comment = { ...example.comment, body: '@agent review this change, please' };
  return { ...example, comment, sender: { ...Object(Reflect.get(example, 'sender')), type: 'User' } };
}

/** Prints each stage and each line of output as it is there, over REST, until the task is over. */
async function followTask(service: Service, taskId: string, signal: AbortSignal): Promise<void> {
  const base = `${service.url}/api/tasks/${taskId}`;
  const until = Date.now() + TASK_TIMEOUT_MS;
  let stages = 0;
  let lines = 0;
  while (Date.now() < until) {
    signal.throwIfAborted();
    // Asked first: what is over by now has all its lines.
    const metadata = (await readJson(base)) as { status?: string } | undefined;
    const flow = ((await readJson(`${base}/logs/webhook-flow`)) ?? []) as readonly object[];
    for (const stage of flow.slice(stages)) print(`stage     ${summary(stage, 'stage')}`);
    stages = flow.length;
    const output = ((await readJson(`${base}/logs/agent-output`)) ?? []) as readonly object[];
    for (const line of output.slice(lines)) print(`agent     ${summary(line, 'type')}`);
    lines = output.length;
    if (metadata?.status !== undefined && !['queued', 'running'].includes(metadata.status)) {
      print(`task      ${taskId} ${metadata.status}`);
      return;
    }
    await delay(POLL_MS);
  }
  throw new TasktrailError('ERR_UNEXPECTED', `task ${taskId} was not over after ${TASK_TIMEOUT_MS / 1000} s`);
}

/** `fetch failed` says nothing; what is below it does. */
async function request(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new TasktrailError(
      'ERR_UNEXPECTED',
      `cannot reach its own service at ${url}: ${messageOf(cause)}`,
      {
        cause: error,
      },
    );
  }
}

async function readJson(url: string): Promise<unknown> {
  const response = await request(url);
  const value: unknown = await response.json();
  return response.ok ? value : undefined;
}

function summary(line: object, key: string): string {
  const { [key]: name, timestamp, event_id: _id, ...fields } = line as Record<string, unknown>;
  const content = typeof fields.content === 'string' ? fields.content : JSON.stringify(fields);
  const text = content.replaceAll(/\s+/g, ' ').trim();
  const short = text.length > 90 ? `${text.slice(0, 87)}...` : text;
  return `${String(timestamp).slice(11, 23)} ${String(name).padEnd(18)} ${short}`;
}

/** What is still missing when everything should be there; empty when nothing is. */
async function waitForTrace(logDir: string, taskId: string, signal: AbortSignal): Promise<readonly string[]> {
  const until = Date.now() + TRACE_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    const missing = await checkTask(logDir, taskId);
    if (missing.length === 0 || Date.now() > until) return missing;
    await delay(POLL_MS);
  }
}
