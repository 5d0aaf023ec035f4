import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../../config/config.ts';
import { pickEnvironment } from '../../config/environment.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import { isTerminal } from '../../model/documents.ts';
import { objectOf, parseJson } from '../../model/json.ts';
import { type Service, startService } from '../../service/start.ts';
import { StopSignals } from '../stop-signals.ts';
import { say } from '../terminal/say.ts';
import { endedPhases, phaseLines } from './agent-digest.ts';
import { EXAMPLE_COMMENT, exampleWebhook } from './example-webhook.ts';
import { nextLines, pageLines, restLines } from './next-steps.ts';
import { type DemoTask, missingInTask, taskLines } from './report.ts';
import { listRows, outputSheet, row, type Sheet, wholeRow } from './sheet.ts';

/** The sample's five runs take a few seconds; a busy machine may take ten times that. */
const TASK_TIMEOUT_MS = 60_000;

/** How long the trace may take after the result: spans are recorded when they end. */
const TRACE_TIMEOUT_MS = 10_000;

const POLL_MS = 50;

/**
 * Sends one webhook through the whole service, in this process, on free ports and in a new directory. Returns the exit
 * code: 0 only when every file, stage and span is there.
 */
export async function demo(keepRunning: boolean): Promise<number> {
  const secret = randomBytes(24).toString('hex');
  const logDir = await mkdtemp(join(tmpdir(), 'tasktrail-demo-'));
  const config = loadConfig({
    flags: { PORT: '0', TASK_LOGS_OTLP_PORT: '0', TASK_LOGS_DIR: logDir, GITHUB_WEBHOOK_SECRET: secret },
    // The demo is the same on every machine: from the environment it takes only where traces go and are shown.
    env: pickEnvironment([
      'HOME',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT',
      'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
      'OTEL_EXPORTER_OTLP_LOGS_PROTOCOL',
      'OTEL_EXPORTER_OTLP_METRICS_PROTOCOL',
      'OTEL_EXPORTER_OTLP_TIMEOUT',
      'TASK_LOGS_TRACE_URL',
    ]),
    cwd: logDir,
  });
  const signals = new StopSignals();
  const closed = new AbortController();
  // The reader of the output has ended (`| head`): the demo stops, and that is no failure.
  process.stdout.on('error', () => closed.abort());
  const signal = AbortSignal.any([signals.signal, closed.signal]);
  const service = await startService(config, { log: say });
  const show: Show = { service, logDir, sheet: outputSheet(), signal };
  let isShown = false;
  try {
    const { isComplete, taskId } = await showDemo(show, secret, config.traceUrls);
    isShown = true;
    if (keepRunning && isComplete && !signal.aborted) {
      const url = service.url ?? '';
      print('', ...restLines(url), ...pageLines(`${url}/tasks/${taskId}`, show.sheet));
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    }
    return isComplete ? 0 : 1;
  } catch (error) {
    if (closed.signal.aborted) return 0;
    if (signals.signal.aborted) throw new TasktrailError('ERR_UNEXPECTED', 'interrupted', { cause: error });
    throw error;
  } finally {
    await service.stop();
    print('', `The service has ended. Its files stay in ${logDir}`);
    if (isShown && !keepRunning) print(...nextLines(logDir, show.sheet));
    signals.close();
  }
}

/** A running demo. */
interface Show {
  readonly service: Service;
  readonly logDir: string;
  readonly sheet: Sheet;
  /** Aborted by a signal, and when nothing can be printed any more. */
  readonly signal: AbortSignal;
}

/** Whether everything is there. Prints each missing part. */
async function showDemo(
  show: Show,
  secret: string,
  traceUrls: readonly string[],
): Promise<{ readonly isComplete: boolean; readonly taskId: string }> {
  const { service, logDir, sheet, signal } = show;
  print(
    'tasktrail demo: one GitHub webhook through the whole service, run by a sample agent',
    wholeRow(sheet, 'service', service.url ?? ''),
    wholeRow(sheet, 'directory', logDir),
  );
  const taskId = await sendWebhook(show, secret);
  await followTask(show, taskId);
  const task = { logDir, taskId };
  const missing = await waitForTrace(task, signal);
  print('', ...(await taskLines(task, { traceUrls, sheet })));
  if (missing.length === 0)
    print(row(sheet, 'checked', 'files, stages, nesting, one trace, task id on every span: all there'));
  else print(...missing.map((problem) => wholeRow(sheet, 'MISSING', problem)));
  return { isComplete: missing.length === 0, taskId };
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** Returns the id of the task that the webhook starts. */
async function sendWebhook({ service, sheet }: Show, secret: string): Promise<string> {
  const response = await request(`${service.url}/webhooks/github`, {
    method: 'POST',
    ...exampleWebhook(secret),
  });
  const text = await response.text();
  const [taskId] = listOf(objectOf(parseJson(text)).task_ids);
  if (response.status !== 202 || typeof taskId !== 'string')
    throw new TasktrailError('ERR_UNEXPECTED', `the webhook was answered with ${response.status} ${text}`);
  print(
    row(sheet, 'webhook', `answered 202: issue_comment "${EXAMPLE_COMMENT}"`),
    wholeRow(sheet, 'task', taskId),
  );
  return taskId;
}

/** Prints the stages and a digest of each phase as they are stored, read over REST, until the task is over. */
async function followTask({ service, sheet, signal }: Show, taskId: string): Promise<void> {
  const base = `${service.url}/api/tasks/${taskId}`;
  const until = Date.now() + TASK_TIMEOUT_MS;
  let shownPhases = 0;
  let areStagesShown = false;
  while (Date.now() < until) {
    signal.throwIfAborted();
    // The status is read first: once it says that the task is over, everything else is stored.
    const metadata = objectOf(await readJson(base));
    const isOver = isTerminal(metadata.status);
    const [workflowId] = listOf(metadata.workflow_ids);
    const events = listOf(await readJson(`${service.url}/api/workflows/${workflowId}/events`));
    const phases = endedPhases(events.map(objectOf));
    if (!areStagesShown && (phases.length > 0 || isOver)) {
      const stages = listOf(await readJson(`${base}/logs/webhook-flow`)).map((line) => objectOf(line).stage);
      print(...listRows(sheet, 'stages', stages.map(String)), '');
      areStagesShown = true;
    }
    if (phases.length > shownPhases) {
      const output = listOf(await readJson(`${base}/logs/agent-output`)).map(objectOf);
      for (const phase of phases.slice(shownPhases)) print(...phaseLines(phase, output, sheet));
      shownPhases = phases.length;
    }
    if (isOver) return;
    await delay(POLL_MS);
  }
  throw new TasktrailError('ERR_UNEXPECTED', `task ${taskId} was not over after ${TASK_TIMEOUT_MS / 1000} s`);
}

/** As `fetch`, with the reason in the message instead of `fetch failed`. */
async function request(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new TasktrailError(
      'ERR_UNEXPECTED',
      `cannot reach its own service at ${url}: ${messageOf(cause)}`,
      { cause: error },
    );
  }
}

async function readJson(url: string): Promise<unknown> {
  const response = await request(url);
  const value: unknown = await response.json();
  return response.ok ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What is still missing when everything should be there; empty when nothing is. */
async function waitForTrace(task: DemoTask, signal: AbortSignal): Promise<readonly string[]> {
  const until = Date.now() + TRACE_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    const missing = await missingInTask(task);
    if (missing.length === 0 || Date.now() > until) return missing;
    await delay(POLL_MS);
  }
}
