import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { FsyncMode } from '../../src/model/fsync-mode.ts';
import { INDEX_URL, MAIN } from './built.ts';
import { comment, deliver } from './deliveries.ts';
import { ServiceProcess, serviceEnv } from './service-process.ts';

/** What a part of the program has promised to keep. */
export interface Promised {
  readonly kind: 'webhook' | 'otlp' | 'record' | 'emit';
  /** The id that the files must hold once. */
  readonly id: string;
}

/** Records lines in one task and prints the number of each when it is synced. */
const RECORDER = `
  import { startTasktrail, recordTask } from '${INDEX_URL}';
  const trail = await startTasktrail();
  await recordTask({ source: 'load', message: 'm' }, async (task) => {
    for (let n = 0; ; n += 1) {
      task.output('line ' + process.pid + '-' + n + ';');
      await new Promise((resolve) => setTimeout(resolve, 3));
      if (n % 5 !== 4) continue;
      await trail.synced();
      process.stdout.write(process.pid + '-' + n + '\\n');
    }
  });
`;

/** A service, a recording program, an OTLP client, a sender of webhooks and calls of emit, until they are stopped. */
export class PowerLoad {
  readonly promised: Promised[] = [];
  readonly #service: ServiceProcess;
  readonly #recorder: ChildProcess;
  readonly #env: Readonly<Record<string, string>>;
  #isStopped = false;
  #loops: Promise<unknown>[] = [];

  private constructor(
    service: ServiceProcess,
    recorder: ChildProcess,
    env: Readonly<Record<string, string>>,
  ) {
    this.#service = service;
    this.#recorder = recorder;
    this.#env = env;
  }

  /** `cwd`: outside of the log directory. */
  static async start(cwd: string, logDir: string, mode: FsyncMode): Promise<PowerLoad> {
    const env = { TASK_LOGS_DIR: logDir, TASK_LOGS_FSYNC: mode, TASK_LOGS_AGENT_COMMAND: '/bin/cat' };
    const service = await ServiceProcess.start({ cwd, env });
    const script = join(cwd, 'recorder.mjs');
    writeFileSync(script, RECORDER);
    const recorder = spawn(process.execPath, [script], {
      cwd,
      env: serviceEnv({ cwd, env }),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const load = new PowerLoad(service, recorder, serviceEnv({ cwd, env }));
    createInterface({ input: recorder.stdout }).on('line', (id) =>
      load.promised.push({ kind: 'record', id }),
    );
    load.#loops = [
      load.#repeat(30, () => load.#webhook()),
      load.#repeat(10, () => load.#otlp()),
      load.#repeat(10, () => load.#otlp()),
      load.#repeat(200, () => load.#emit()),
    ];
    return load;
  }

  /** Stops the processes that write, or lets them go on. */
  readonly pause = (isPaused: boolean): void => {
    for (const child of [this.#service.child, this.#recorder]) child.kill(isPaused ? 'SIGSTOP' : 'SIGCONT');
  };

  /** Kills everything, as a power cut does. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#service.dispose();
    const ended = once(this.#recorder, 'close');
    if (this.#recorder.kill('SIGKILL')) await ended;
    await Promise.all(this.#loops);
  }

  async #repeat(pauseMs: number, once: () => Promise<Promised | undefined>): Promise<void> {
    while (!this.#isStopped) {
      // The service is killed while a request is in flight.
      const promised = await once().catch(() => undefined);
      if (promised !== undefined && !this.#isStopped) this.promised.push(promised);
      await delay(Math.random() * pauseMs);
    }
  }

  async #webhook(): Promise<Promised | undefined> {
    const id = randomUUID();
    const text = Math.random() < 0.2 ? '@agent review' : 'nothing to do';
    const { status } = await deliver(this.#service.url, comment(text), { id });
    return status < 300 ? { kind: 'webhook', id } : undefined;
  }

  async #otlp(): Promise<Promised | undefined> {
    const id = randomUUID();
    const taskId = `foreign-${Math.floor(Math.random() * 5)}`;
    const attributes = [
      { key: 'tasktrail.task.id', value: { stringValue: taskId } },
      { key: 'tasktrail.event.id', value: { stringValue: id } },
    ];
    const record = {
      timeUnixNano: `${Date.now()}000000`,
      eventName: 'tasktrail.agent.output',
      body: { stringValue: `foreign ${id}` },
      attributes,
    };
    const response = await fetch(`${this.#service.otlpUrl}/v1/logs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] }),
    });
    const answer = await response.text();
    if (response.status === 200 && answer.includes('rejected')) throw new Error(answer);
    return response.status === 200 ? { kind: 'otlp', id: `foreign ${id}` } : undefined;
  }

  async #emit(): Promise<Promised | undefined> {
    const id = randomUUID();
    const args = [MAIN, 'emit', 'decision_point', 'workflow-load-20260102T030405Z', `{"decision":"${id}"}`];
    const child = spawn(process.execPath, args, { env: this.#env, stdio: 'ignore' });
    const [code] = await once(child, 'close');
    return code === 0 ? { kind: 'emit', id } : undefined;
  }
}
