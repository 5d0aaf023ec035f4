import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcesses, findProcesses } from '../../src/system/processes.ts';
import { MAIN } from './built.ts';
import { comment, deliver, SECRET } from './deliveries.ts';
import { until } from './receiver.ts';

export type Env = Readonly<Record<string, string>>;

export interface ServiceOptions {
  /** Working directory, and home; the log directory is `logs` in it. */
  readonly cwd: string;
  readonly env?: Env;
  readonly args?: readonly string[];
  /** Path of the command line. Default: that of the build. */
  readonly main?: string;
  /** Put before `node`, e.g. `setpriv`. */
  readonly prefix?: readonly string[];
}

/** Nothing of this machine's environment but where its programs are. */
export function serviceEnv({ cwd, env }: ServiceOptions): Env {
  return {
    PATH: process.env.PATH ?? '',
    HOME: cwd,
    TASK_LOGS_DIR: join(cwd, 'logs'),
    TASK_LOGS_OTLP_PORT: '0',
    PORT: '0',
    GITHUB_WEBHOOK_SECRET: SECRET,
    ...env,
  };
}

/** `tasktrail start` as a process of its own, from the built package. */
export class ServiceProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  stdout = '';
  stderr = '';

  constructor(options: ServiceOptions) {
    const [command = process.execPath, ...args] = [
      ...(options.prefix ?? []),
      process.execPath,
      options.main ?? MAIN,
      ...(options.args ?? ['start']),
    ];
    this.child = spawn(command, args, { cwd: options.cwd, env: serviceEnv(options) });
    this.child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      this.stdout += piece;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      this.stderr += piece;
    });
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Started and listening; throws what it printed when it ended instead. */
  static async start(options: ServiceOptions): Promise<ServiceProcess> {
    const service = new ServiceProcess(options);
    await until(
      () => {
        if (service.child.exitCode !== null) throw new Error(`it ended: ${service.stdout}${service.stderr}`);
        return /\n {2}(?:writes to|sends to) .*\n/.test(service.stdout) ? true : undefined;
      },
      'the service to start',
      20_000,
    );
    return service;
  }

  get url(): string {
    return /POST (http:\S+)\/webhooks\/github/.exec(this.stdout)?.[1] ?? '';
  }

  get otlpUrl(): string {
    return /OTLP +(http:\S+)/.exec(this.stdout)?.[1] ?? '';
  }

  /** Sends a comment and gives the id of the task that it starts. */
  async sendComment(text: string): Promise<string> {
    const response = await deliver(this.url, comment(text));
    if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
    return firstTaskId(await response.json());
  }

  async submit(order: object, headers: Env = {}): Promise<Response> {
    return fetch(`${this.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(order),
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; signal: string | null }> {
    this.child.kill(signal);
    return this.exited;
  }

  /** For the end of a test, whatever became of it. */
  async dispose(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop('SIGKILL');
  }
}

export function firstTaskId(answer: unknown): string {
  const ids: unknown = Reflect.get(Object(answer), 'task_ids');
  return Array.isArray(ids) ? String(ids[0]) : '';
}

export async function readDocument(
  logDir: string,
  taskId: string,
  file: 'metadata.json' | '01-input.json' | '04-final-result.json',
): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(join(logDir, taskId, file), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
}

/** Waits for the task's end and gives its result. */
export async function resultOf(
  logDir: string,
  taskId: string,
  deadlineMs = 15_000,
): Promise<Record<string, unknown>> {
  return until(
    async () => {
      const metadata = await readDocument(logDir, taskId, 'metadata.json');
      if (!['completed', 'failed', 'cancelled', 'abandoned'].includes(String(metadata?.status)))
        return undefined;
      return readDocument(logDir, taskId, '04-final-result.json');
    },
    `the end of ${taskId}`,
    deadlineMs,
  );
}

/** Pids of the processes whose environment has an entry that starts with this text, `NAME=value`. */
export async function processesWith(entry: string): Promise<number[]> {
  return [...findWith(entry)];
}

/** Kills the processes whose environment has an entry that starts with this text. */
export async function killProcessesWith(entry: string): Promise<void> {
  await endProcesses(() => findWith(entry), { graceMs: 0 });
}

function findWith(entry: string): readonly number[] {
  const [name = '', ...rest] = entry.split('=');
  return findProcesses(name, (value) => value.startsWith(rest.join('=')));
}
