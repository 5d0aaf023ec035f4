import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterTest } from './current-test.ts';
import { readLines, readSpans, type StoredSpan } from './receiver.ts';
import { type RedisOptions, type RedisProgram, type RedisServer, startRedis } from './redis.ts';
import {
  type Env,
  firstTaskId,
  killProcessesWith,
  processesWith,
  readDocument,
  ServiceProcess,
} from './service-process.ts';
import { until } from './until.ts';

const NUMBERED = resolve(import.meta.dirname, 'numbered-agent.mjs');

/** The command of an agent that prints `lines` numbered lines, one every `everyMs` milliseconds. */
export function numbered(lines: number, everyMs: number): readonly string[] {
  return [process.execPath, NUMBERED, String(lines), String(everyMs)];
}

/** The command of an agent that runs until the file `go` exists in its working directory. */
export function waitingUntilGo(trap = ''): readonly string[] {
  return ['sh', '-c', `${trap} echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done`];
}

type Role = 'start' | 'serve' | 'worker';

/** Several service processes that share a log directory and a Redis. All end with the test. */
export class Fleet {
  readonly cwd: string;
  readonly logDir: string;
  readonly redis: RedisServer | undefined;
  readonly #processes: ServiceProcess[] = [];

  private constructor(cwd: string, redis: RedisServer | undefined) {
    this.cwd = cwd;
    this.logDir = join(cwd, 'logs');
    this.redis = redis;
  }

  static async open(program?: RedisProgram, options?: RedisOptions): Promise<Fleet> {
    const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-fleet-'));
    const redis = program === undefined ? undefined : await startRedis(program, options);
    const fleet = new Fleet(cwd, redis);
    afterTest(() => fleet.#dispose());
    return fleet;
  }

  async configure(config: object): Promise<void> {
    await writeFile(join(this.cwd, 'tasktrail.config.json'), JSON.stringify(config));
  }

  async start(role: Role, env: Env = {}): Promise<ServiceProcess> {
    const redis: Env = this.redis === undefined ? {} : { REDIS_URL: this.redis.url };
    const service = await ServiceProcess.start({ cwd: this.cwd, args: [role], env: { ...redis, ...env } });
    this.#processes.push(service);
    return service;
  }

  /** Ends the agents of `waitingUntilGo`. */
  async go(): Promise<void> {
    await writeFile(join(this.cwd, 'go'), '');
  }

  lines(taskId: string, file: '02-webhook-flow' | '03-agent-output' = '03-agent-output'): Promise<Line[]> {
    return readLines(join(this.logDir, taskId, `${file}.jsonl`));
  }

  async untilPrinted(taskId: string, text: string, times = 1): Promise<void> {
    await until(async () => {
      const lines = await this.lines(taskId);
      const found = lines.filter(({ content }) => String(content).includes(text));
      return found.length >= times;
    }, `${taskId} to print ${text}`);
  }

  /** The numbers that a numbered agent has printed. */
  async numbers(taskId: string): Promise<readonly number[]> {
    const lines = await this.lines(taskId);
    return lines.flatMap(({ content }) => /line (\d+)/.exec(String(content))?.[1] ?? []).map(Number);
  }

  /** Waits until the task has `count` spans of this name and returns all its spans. */
  async spans(taskId: string, name: string, count: number): Promise<StoredSpan[]> {
    return until(async () => {
      const found = await readSpans(this.logDir, taskId);
      return found.filter((span) => span.name === name).length >= count ? found : undefined;
    }, `${count} spans ${name}`);
  }

  /** Waits for the end of the task's first workflow and returns it from the REST API. */
  async endedWorkflow(service: ServiceProcess, taskId: string, headers: Env = {}): Promise<Line> {
    return until(async () => {
      const metadata = await readDocument(this.logDir, taskId, 'metadata.json');
      const [id] = Array.isArray(metadata?.workflow_ids) ? metadata.workflow_ids : [];
      const response = await fetch(`${service.url}/api/workflows/${id}`, { headers });
      const workflow = (await response.json()) as Line;
      return response.ok && workflow.status !== 'running' ? workflow : undefined;
    }, `the end of the workflow of ${taskId}`);
  }

  async killAgents(taskId: string): Promise<void> {
    await killProcessesWith(`TASK_LOGS_TASK_ID=${taskId}`);
  }

  async #dispose(): Promise<void> {
    for (const service of this.#processes) await service.dispose();
    await killProcessesWith(`TASK_LOGS_DIR=${this.logDir}`);
    await this.redis?.stop();
    await rm(this.cwd, { recursive: true, force: true, maxRetries: 5 });
  }
}

type Line = Record<string, unknown>;

export function agentsOf(taskId: string): Promise<number[]> {
  return processesWith(`TASK_LOGS_TASK_ID=${taskId}`);
}

export async function submit(service: ServiceProcess, order: object = { message: 'go' }): Promise<string> {
  const response = await service.submit(order);
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  return firstTaskId(await response.json());
}
