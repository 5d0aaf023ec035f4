import { appendFileSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Crew, justEnded, livingAgents } from './crew.ts';
import type { Part } from './parts/part.ts';
import type { CutMode, CutProxy } from './parts/proxy.ts';
import type { StoreMode } from './parts/store-proxy.ts';
import { pickAt } from './random.ts';
import type { Action, ActionKind } from './schedule.ts';
import type { World } from './world.ts';

/** Longest wait for the start of a process that is to be killed during it. */
const START_MS_MAX = 6_000;

/** Longest wait for a service that can be stopped. */
const SERVICE_MS_MAX = 60_000;

/** Longest stop of a service: ten seconds until its lock is stale, and the starts of the other one. */
const TAKEOVER_MS_MAX = 60_000;

/** A stop of three seconds becomes one of fifteen: the lease in Redis lasts ten. */
const LEASES = 5;

/** Longest wait of an action for a new fact. */
const PROGRESS_MS_MAX = 1_500;

/** Carries out the actions of a schedule, and counts those that had a target. */
export class Faults {
  readonly killedAgents: Set<number> = new Set();
  /** Runs of agents that had just ended when the power was cut: an agent syncs nothing that it prints. */
  readonly undoneRuns: Set<string> = new Set();
  /** Times in which the disk refused writes: [from, to], in milliseconds since the epoch. */
  readonly diskFaults: (readonly [number, number])[] = [];
  readonly counts: Record<string, number> = {};
  readonly #world: World;
  readonly #crew: Crew;
  readonly #startedAt = Date.now();
  /** Bytes of all ledgers at the last action. */
  #progress = 0;
  /** What has a fault now that comes one at a time. */
  readonly #busy = new Set<'redis' | 'disk' | 'service' | 'victoria'>();

  constructor(world: World, crew: Crew) {
    this.#world = world;
    this.#crew = crew;
  }

  /** Resolves when the last action and its end are through. */
  async follow(actions: readonly Action[], isAborted: () => boolean): Promise<void> {
    const running: Promise<void>[] = [];
    for (const action of actions) {
      await delay(Math.max(0, this.#startedAt + action.atMs - Date.now()));
      await this.#untilProgress();
      if (isAborted()) break;
      running.push(this.#act(action));
    }
    await Promise.all(running);
  }

  /** On a busy machine the schedule waits for work that it can destroy. */
  async #untilProgress(): Promise<void> {
    const end = Date.now() + PROGRESS_MS_MAX;
    while (bytesIn(this.#world.ledgers) === this.#progress && Date.now() < end) await delay(20);
    this.#progress = bytesIn(this.#world.ledgers);
  }

  async #act(action: Action): Promise<void> {
    const target = await this.#perform(action);
    if (target !== undefined) this.counts[action.kind] = (this.counts[action.kind] ?? 0) + 1;
    const line = `+${Math.round(action.atMs)} ms ${action.kind} ${target ?? '(no target)'}`;
    appendFileSync(
      join(this.#world.directory, 'actions.log'),
      `${new Date().toISOString()} ${line} ${Math.round(action.forMs)} ms\n`,
    );
  }

  /** Returns the target; undefined when there was none. */
  async #perform({ kind, pick: share, forMs }: Action): Promise<string | undefined> {
    // The oldest processes are the likeliest targets: a process that is killed at its start has acknowledged nothing.
    const pick = share ** 2;
    const crew = this.#crew;
    const row = SIGNALS[kind];
    if (row !== undefined) {
      const [signal, partKind] = row;
      return signalled(pickAt(living(crew.of(partKind)), pick), signal);
    }
    const { world } = { world: this.#world };
    switch (kind) {
      case 'kill-emit':
        return killed(crew.emitters(), pick);
      case 'kill-run':
        return killed(crew.runners(), pick);
      case 'kill-agent':
        return this.#killAgent(pick);
      case 'kill-starting':
        return killStarting(pickAt(crew.of('service', 'worker', 'recorder'), pick), forMs);
      case 'kill-stopping':
        return killStopping(pickAt(living(crew.of('service', 'worker')), pick), forMs);
      case 'stop-service':
        return this.#stopService(pick, forMs);
      case 'stop-worker':
        return stopped(pickAt(living(crew.of('worker')), pick), forMs);
      case 'stop-recorder':
        return stopped(pickAt(living(crew.of('recorder', 'remote')), pick), forMs);
      case 'endpoint-503':
      case 'endpoint-429':
      case 'endpoint-empty':
        return this.#answer(kind, forMs);
      case 'cut-refuse':
      case 'cut-hang':
      case 'cut-reset':
      case 'cut-answer':
        return cut(
          pick < 0.6 || world.victoria !== undefined ? world.holderProxy : world.endpointProxy,
          kind,
          forMs,
        );
      case 'store-refuse':
      case 'store-hang':
      case 'store-reset':
      case 'store-answer':
      case 'store-half':
      case 'store-slow':
      case 'store-500':
      case 'store-429':
        return this.#cutStore(kind, { pick: share, forMs });
      case 'victoria-term':
      case 'victoria-stop':
      case 'victoria-kill':
        return this.#breakVictoria(kind, { pick: share, forMs });
      case 'redis-kill':
      case 'redis-stop':
        return this.#breakRedis(kind, forMs);
      case 'disk-read-only':
      case 'disk-full':
        return this.#breakDisk(kind, forMs);
      case 'power-cut':
        return this.#cutPower();
      default:
        return undefined;
    }
  }

  /** Until another service has taken over: on a busy machine its start takes longer than any fixed time. */
  async #stopService(pick: number, forMs: number): Promise<string | undefined> {
    const services = this.#crew.of('service');
    const until = performance.now() + SERVICE_MS_MAX;
    // One at a time: with both stopped there is none that takes over.
    while ((living(services).length === 0 || this.#busy.has('service')) && performance.now() < until)
      await delay(100);
    if (this.#busy.has('service')) return undefined;
    this.#busy.add('service');
    try {
      return await this.#stopOne(services, { pick, forMs });
    } finally {
      this.#busy.delete('service');
    }
  }

  async #stopOne(
    services: readonly Part[],
    { pick, forMs }: Pick<Action, 'pick' | 'forMs'>,
  ): Promise<string | undefined> {
    const part = pickAt(living(services), pick);
    const pid = part?.pid;
    if (part === undefined || !part.signal('SIGSTOP')) return undefined;
    const end = performance.now() + TAKEOVER_MS_MAX;
    const isTaken = (): boolean => services.some((other) => other !== part && other.readyAtMs !== undefined);
    while (!isTaken() && part.pid === pid && performance.now() < end) await delay(100);
    if (isTaken()) this.counts.takeover = (this.counts.takeover ?? 0) + 1;
    // Over VictoriaLogs the other one lives: the stop is to be longer than the lease in some cases.
    await delay(this.#world.victoria === undefined ? forMs : forMs * LEASES);
    if (part.pid === pid) part.signal('SIGCONT');
    return `${part.name} ${pid}${isTaken() ? ', taken over' : ''}`;
  }

  #killAgent(pick: number): string | undefined {
    const pid = pickAt(livingAgents(this.#world), pick);
    if (pid === undefined) return undefined;
    this.killedAgents.add(pid);
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // ESRCH: it has just ended.
      return undefined;
    }
    return `agent ${pid}`;
  }

  async #answer(kind: ActionKind, forMs: number): Promise<string | undefined> {
    const { endpoint } = this.#world;
    if (endpoint === undefined) return undefined;
    endpoint.mode = kind === 'endpoint-503' ? '503' : kind === 'endpoint-429' ? '429' : 'empty';
    await delay(forMs);
    endpoint.mode = 'well';
    return 'endpoint';
  }

  async #breakRedis(kind: ActionKind, forMs: number): Promise<string | undefined> {
    const { redis } = this.#world;
    if (redis === undefined || this.#busy.has('redis')) return undefined;
    this.#busy.add('redis');
    if (kind === 'redis-kill') {
      await redis.kill();
      await delay(forMs);
      await redis.start();
    } else {
      redis.pause();
      await delay(forMs);
      redis.resume();
    }
    this.#busy.delete('redis');
    return 'redis';
  }

  /** One service, or both. */
  async #cutStore(
    kind: ActionKind,
    { pick, forMs }: Pick<Action, 'pick' | 'forMs'>,
  ): Promise<string | undefined> {
    const { victoria } = this.#world;
    if (victoria === undefined) return undefined;
    const { proxy } = victoria;
    const hit = ([0, 1] as const).filter((n) => pick > 0.7 || pick < 0.35 === (n === 0));
    for (const n of hit) proxy.modes[n] = kind.slice('store-'.length) as StoreMode;
    await delay(forMs);
    for (const n of hit) proxy.open(n);
    return `the store of ${hit.map((n) => `service${n}`).join(' and ')}`;
  }

  async #breakVictoria(
    kind: ActionKind,
    { pick, forMs }: Pick<Action, 'pick' | 'forMs'>,
  ): Promise<string | undefined> {
    const { victoria } = this.#world;
    if (victoria === undefined || this.#busy.has('victoria')) return undefined;
    const part = pickAt(
      victoria.parts.filter(({ isStorage }) => kind !== 'victoria-kill' || !isStorage),
      pick,
    );
    if (part === undefined) return undefined;
    this.#busy.add('victoria');
    if (kind === 'victoria-stop') {
      part.pause();
      await delay(forMs);
      part.resume();
    } else {
      await part.kill(kind === 'victoria-term' ? 'SIGTERM' : 'SIGKILL');
      await delay(forMs);
      await part.start();
    }
    this.#busy.delete('victoria');
    return part.name;
  }

  async #cutPower(): Promise<string | undefined> {
    const { power } = this.#world;
    if (power === undefined || this.#busy.has('disk')) return undefined;
    this.#busy.add('disk');
    await power.cut(() => {
      const agents = livingAgents(this.#world);
      for (const pid of agents) this.killedAgents.add(pid);
      for (const run of justEnded(this.#world)) this.undoneRuns.add(run);
      return [...this.#crew.pidsOnMachine(), ...agents];
    });
    this.#busy.delete('disk');
    return 'the power';
  }

  async #breakDisk(kind: ActionKind, forMs: number): Promise<string | undefined> {
    const { disk } = this.#world;
    if (disk === undefined || this.#busy.has('disk')) return undefined;
    this.#busy.add('disk');
    const from = Date.now();
    const isBroken = kind === 'disk-full' ? disk.fill() : disk.makeReadOnly();
    if (isBroken) await delay(forMs);
    disk.mend();
    if (isBroken) this.diskFaults.push([from, Date.now()]);
    this.#busy.delete('disk');
    return isBroken ? 'disk' : undefined;
  }
}

function bytesIn(directory: string): number {
  // No part has started yet.
  if (!existsSync(directory)) return 0;
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

const SIGNALS: Readonly<Partial<Record<ActionKind, readonly [NodeJS.Signals, Part['kind']]>>> = {
  'kill-recorder': ['SIGKILL', 'recorder'],
  'kill-remote': ['SIGKILL', 'remote'],
  'kill-service': ['SIGKILL', 'service'],
  'kill-worker': ['SIGKILL', 'worker'],
  'term-recorder': ['SIGTERM', 'recorder'],
  'term-service': ['SIGTERM', 'service'],
  'int-service': ['SIGINT', 'service'],
  'term-worker': ['SIGTERM', 'worker'],
};

/**
 * The processes that have been ready for a while, the oldest first. A process that is killed before that has acknowledged
 * nothing; `kill-starting` does so on purpose.
 */
function living(parts: readonly Part[]): readonly Part[] {
  const age = ({ kind, readyAtMs = Number.POSITIVE_INFINITY }: Part): number =>
    performance.now() - readyAtMs - READY_MS[kind];
  return parts.filter((part) => age(part) > 0).sort((a, b) => age(b) - age(a));
}

/** Milliseconds after its start in which a process is left alone. A service and a worker need some for the backlog. */
const READY_MS: Readonly<Record<Part['kind'], number>> = {
  service: 3_000,
  worker: 3_000,
  recorder: 0,
  remote: 0,
  emit: 0,
  run: 0,
};

function signalled(part: Part | undefined, signal: NodeJS.Signals): string | undefined {
  const name = `${part?.name} ${part?.pid}`;
  return part?.signal(signal) === true ? name : undefined;
}

function killed(
  clients: readonly { readonly name: string; kill(): boolean }[],
  pick: number,
): string | undefined {
  const client = pickAt(clients, pick);
  return client?.kill() === true ? client.name : undefined;
}

async function killStarting(part: Part | undefined, afterMs: number): Promise<string | undefined> {
  if (part === undefined) return undefined;
  await part.nextStart(START_MS_MAX);
  await delay(afterMs);
  return signalled(part, 'SIGKILL');
}

async function killStopping(part: Part | undefined, afterMs: number): Promise<string | undefined> {
  const pid = part?.pid;
  if (part === undefined || !part.signal('SIGTERM')) return undefined;
  await delay(afterMs);
  return part.pid === pid ? signalled(part, 'SIGKILL') : undefined;
}

async function stopped(part: Part | undefined, forMs: number): Promise<string | undefined> {
  const pid = part?.pid;
  if (part === undefined || !part.signal('SIGSTOP')) return undefined;
  await delay(forMs);
  if (part.pid === pid) part.signal('SIGCONT');
  return `${part.name} ${pid}`;
}

async function cut(proxy: CutProxy, kind: ActionKind, forMs: number): Promise<string> {
  proxy.mode = kind.slice('cut-'.length) as CutMode;
  await delay(forMs);
  proxy.open();
  return 'proxy';
}
