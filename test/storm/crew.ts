import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './parts/client.ts';
import { Emitter, Runner } from './parts/commands.ts';
import { Forger, OtlpSender } from './parts/otlp.ts';
import { type Command, Part, type PartKind, type PartOptions } from './parts/part.ts';
import { TaskSubmitter, WebhookSender } from './parts/webhooks.ts';
import type { Group } from './schedule.ts';
import { envOf, MAIN, RECORDER, remoteEnv, type World, workerEnv } from './world.ts';

/** Recorders beside the services: each start costs a third of a second of CPU. */
const RECORDERS = 3;
const REMOTES = 2;
const EMITTERS = 2;
const WORKERS = 2;

/** Longest wait for the first service. A recorder may hold the directory where kills end that. */
const FIRST_START_MS_MAX = 20_000;

/** All processes and clients of a round. */
export class Crew {
  readonly parts: readonly Part[];
  readonly clients: readonly Client[];
  readonly #world: World;

  constructor(world: World, groups: ReadonlySet<Group>) {
    this.#world = world;
    // A recorder that holds the directory keeps the services out until it is killed. After a power cut it is the fastest.
    const hold = groups.has('kills') ? 'may' : 'never';
    const workers = world.redis === undefined ? 0 : WORKERS;
    const isRows = world.victoria !== undefined;
    this.parts = [
      ...times(2, (n) => this.#service(n as 0 | 1)),
      ...times(workers, (n) => this.#command('worker', `worker${n}`, ['worker'], workerEnv(world))),
      ...times(RECORDERS, (n) =>
        isRows ? this.#remote('recorder', `rec${n}`) : this.#recorder(`rec${n}`, n === 0 ? hold : 'never'),
      ),
      ...times(REMOTES, (n) => this.#remote('remote', `remote${n}`)),
    ];
    this.clients = [
      ...times(2, (n) => new WebhookSender(world, `webhook${n}`)),
      new TaskSubmitter(world, 'api0'),
      ...times(EMITTERS, (n) => new Emitter(world, `emit${n}`)),
      new Runner(world, 'run0'),
      ...times(2, (n) => new OtlpSender(world, `otlp${n}`)),
      ...(groups.has('forgery') ? [new Forger(world, 'forger0')] : []),
    ];
  }

  of(...kinds: readonly PartKind[]): readonly Part[] {
    return this.parts.filter(({ kind }) => kinds.includes(kind));
  }

  emitters(): readonly Emitter[] {
    return this.clients.filter((client) => client instanceof Emitter);
  }

  runners(): readonly Runner[] {
    return this.clients.filter((client) => client instanceof Runner);
  }

  /** The processes on the machine with the log directory, without the agents. */
  pidsOnMachine(): readonly number[] {
    const parts = this.parts.filter(({ kind }) => kind !== 'remote').map(({ pid }) => pid);
    const commands = [...this.emitters(), ...this.runners()].map(({ pid }) => pid);
    return [...parts, ...commands].filter((pid) => pid !== undefined);
  }

  /** The clients begin when a service is ready: a `tasktrail run` that holds the directory keeps a slow start out. */
  async run(): Promise<void> {
    for (const part of this.parts) part.run();
    const end = performance.now() + FIRST_START_MS_MAX;
    const isReady = (): boolean => this.of('service').some(({ readyAtMs }) => readyAtMs !== undefined);
    while (!isReady() && performance.now() < end) await delay(50);
    for (const client of this.clients) client.run();
  }

  #service(n: 0 | 1): Part {
    const { ports, redis, victoria } = this.#world;
    const { web, otlp } = ports[n];
    const env = { PORT: String(web), TASK_LOGS_OTLP_PORT: String(otlp) };
    if (victoria !== undefined) {
      const own = { ...env, TASK_LOGS_STORE_URL: victoria.proxy.addressOf(n) };
      return this.#command('service', `service${n}`, ['serve'], own, 700);
    }
    const command = redis === undefined ? 'start' : 'serve';
    // The second one is refused while the first one lives, and takes over after a kill.
    return this.#command('service', `service${n}`, [command], env, n === 0 ? 700 : 3_000);
  }

  #recorder(name: string, hold: string): Part {
    return this.#onMachine('recorder', name, (start) => {
      const own = `${name}s${start}`;
      const ledger = join(this.#world.ledgers, `${own}.jsonl`);
      return { args: [RECORDER, own, ledger, hold], env: envOf(this.#world), cwd: this.#world.directory };
    });
  }

  /** A recorder on another machine, behind the proxy. */
  #remote(kind: 'recorder' | 'remote', name: string): Part {
    return this.#part(kind, name, (start) => {
      const own = `${name}s${start}`;
      const ledger = join(this.#world.ledgers, `${own}.jsonl`);
      const { directory } = this.#world;
      return { args: [RECORDER, own, ledger, 'never'], env: remoteEnv(this.#world, name), cwd: directory };
    });
  }

  #command(
    kind: PartKind,
    name: string,
    args: readonly string[],
    more: Readonly<Record<string, string>>,
    pauseMs = 100,
  ): Part {
    const command = { args: [MAIN, ...args], env: { ...envOf(this.#world), ...more } };
    return this.#onMachine(kind, name, () => ({ ...command, cwd: this.#world.directory }), pauseMs);
  }

  /** On the machine with the log directory. */
  #onMachine(kind: PartKind, name: string, command: (start: number) => Command, pauseMs = 100): Part {
    const { power } = this.#world;
    const hasPower = power === undefined ? undefined : (): Promise<void> => power.isOn;
    return this.#part(kind, name, command, { pauseMs, ...(hasPower !== undefined && { hasPower }) });
  }

  #part(
    kind: PartKind,
    name: string,
    command: (start: number) => Command,
    more: Partial<PartOptions> = {},
  ): Part {
    const output = join(this.#world.directory, `${name}.log`);
    return new Part({ name, kind, command, pauseMs: 100, output, ...more });
  }
}

/** Names of the log directories of those that record and only send. */
export function remoteNames({ victoria }: World): readonly string[] {
  const remotes = times(REMOTES, (n) => `remote${n}`);
  return victoria === undefined ? remotes : [...remotes, ...times(RECORDERS, (n) => `rec${n}`)];
}

/** The pids of agents that run now, according to their log. */
export function livingAgents({ runLog }: World): readonly number[] {
  const pids = new Set<number>();
  for (const line of readOr(runLog).split('\n').slice(0, -1)) {
    const [word = '', , , , , pid = ''] = line.split(' ');
    if (word === 'began') pids.add(Number(pid));
    else pids.delete(Number(pid));
  }
  return [...pids].filter((pid) => readOr(`/proc/${pid}/cmdline`).includes(runLog));
}

/** Runs whose end may not have been recorded yet: those that began at most this many milliseconds ago. */
const YOUNG_MS_MAX = 15_000;

/** Young runs that have ended, by the names that they gave themselves: `<pid>-<nanoseconds>`. */
export function justEnded({ runLog }: World): readonly string[] {
  const ended = readOr(runLog)
    .split('\n')
    .filter((line) => line.startsWith('ended '))
    .map((line) => line.split(' ')[4] ?? '');
  return ended.filter((run) => Number(run.split('-')[1]) / 1e6 > Date.now() - YOUNG_MS_MAX);
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // ENOENT: no agent has run yet, or the process has ended.
    return '';
  }
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
