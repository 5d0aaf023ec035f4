import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcesses, findProcesses } from '../../src/system/processes.ts';
import { MAIN } from './built.ts';
import { comment, deliver, SECRET } from './deliveries.ts';
import { DEADLINE_MS, until } from './until.ts';

export type Env = Readonly<Record<string, string>>;

export interface ServiceOptions {
  /** Working directory and home. The log directory is `logs` in it. */
  readonly cwd: string;
  readonly env?: Env;
  readonly args?: readonly string[];
  /** Path of `cli/main.js`. Default: the one in `dist`. */
  readonly main?: string;
  /** Words before `node`, such as `setpriv` and its options. */
  readonly prefix?: readonly string[];
}

/** The environment of a service: only PATH comes from the test process. */
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

/** `tasktrail start`, or another command, as a child process from `dist`. */
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

  /** Resolves when the service listens. Throws its output if it ends before that. */
  static async start(options: ServiceOptions): Promise<ServiceProcess> {
    const service = new ServiceProcess(options);
    await until(() => {
      if (service.child.exitCode !== null)
        throw new Error(`the service ended: ${service.stdout}${service.stderr}`);
      return /\n {2}(?:writes to|sends to) .*\n/.test(service.stdout);
    }, 'the service to start');
    return service;
  }

  get url(): string {
    return /POST (http:\S+)\/webhooks\/github/.exec(this.stdout)?.[1] ?? '';
  }

  get otlpUrl(): string {
    return /OTLP +(http:\S+)/.exec(this.stdout)?.[1] ?? '';
  }

  /** Sends a GitHub comment and returns the id of its task. */
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

  /** Kills the service if it is still running, for the end of a test. */
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
  file: 'metadata.json' | '01-input.json' | '04-final-result.json' | 'manifest.json',
): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(join(logDir, taskId, file), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
}

/** Waits for the end of a task and returns its result. */
export async function resultOf(
  logDir: string,
  taskId: string,
  deadlineMs: number = DEADLINE_MS,
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

/** The pids of processes with an environment entry that starts with `NAME=value`. */
export async function processesWith(entry: string): Promise<number[]> {
  return [...findWith(entry)];
}

/** Kills the processes with an environment entry that starts with `NAME=value`. */
export async function killProcessesWith(entry: string): Promise<void> {
  await endProcesses(() => findWith(entry), { graceMs: 0 });
}

function findWith(entry: string): readonly number[] {
  const [name = '', ...rest] = entry.split('=');
  return findProcesses(name, (value) => value.startsWith(rest.join('=')));
}
