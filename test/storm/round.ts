import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BookScrapes } from './check/books.ts';
import { check, type Verdict } from './check/check.ts';
import { type Evidence, readEvidence } from './check/evidence.ts';
import { readRuns } from './check/history.ts';
import { Crew, livingAgents } from './crew.ts';
import { drain } from './drain.ts';
import { Faults } from './faults.ts';
import { type Fact, readFacts } from './ledger.ts';
import type { StoreKind } from './options.ts';
import { type Group, makeSchedule } from './schedule.ts';
import { closeWorld, has, LINES_A_RUN, openWorld, type World } from './world.ts';

/** Milliseconds until the processes have started. */
const HEAD_START_MS = 1_500;

const SCRAPE_MS = 2_000;

/** Longest wait for the first notification. */
const TOLD_MS_MAX = 30_000;

/** A recorder holds its records in memory while the disk refuses them, and a bit longer until its next write. */
const AFTER_DISK_FAULT_MS = 3_000;

export interface RoundOptions {
  readonly base: string;
  readonly seed: string;
  readonly durationMs: number;
  readonly everyMs: number;
  readonly groups: ReadonlySet<Group>;
  readonly queue: 'memory' | 'redis' | 'any';
  readonly store: StoreKind;
  readonly isAborted: () => boolean;
}

export interface RoundResult extends Verdict {
  readonly directory: string;
  /** `redis, key, endpoint, disk, power, victoria`: what this round has. */
  readonly features: string;
  /** Actions that had a target, by kind. */
  readonly actions: Readonly<Record<string, number>>;
  readonly starts: number;
  readonly scrapes: number;
}

/** One storm over one log directory, with its check. Rejects on a fault of the harness. */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { seed, durationMs, everyMs, groups, isAborted } = options;
  const world = await openWorld(options);
  const crew = new Crew(world, groups);
  const faults = new Faults(world, crew);
  const books = new BookScrapes();
  const state = { isOver: false, isGood: false };
  try {
    await crew.run();
    await delay(HEAD_START_MS);
    const toldFromMs = await untilTold(world);
    const actions = makeSchedule({ seed, durationMs, everyMs, groups, has: has(world) });
    const scraping = scrapeAll(world, crew, books, state);
    await faults.follow(actions, isAborted);
    state.isOver = true;
    await scraping;
    const drained = await drain(world, crew, books);
    const verdict = judge(world, faults, {
      evidence: drained.evidence ?? readEvidence(world.logDir),
      toldFromMs,
    });
    const more = drained.violations;
    const result = {
      ...verdict,
      violations: [...verdict.violations, ...more, ...books.violations],
      directory: world.directory,
      features: featuresOf(world),
      actions: faults.counts,
      starts: crew.parts.reduce((sum, { starts }) => sum + starts, 0),
      scrapes: books.count,
    };
    state.isGood = result.violations.length === 0;
    writeFileSync(join(world.directory, 'verdict.json'), JSON.stringify(result, undefined, 1));
    const fault = crew.clients.map((client) => client.fault).find((one) => one !== undefined);
    if (fault !== undefined) throw fault;
    return result;
  } finally {
    state.isOver = true;
    await Promise.all(crew.parts.map((part) => part.end('SIGKILL', 5_000)));
    for (const pid of livingAgents(world)) endAgent(world, pid);
    await closeWorld(world, !state.isGood);
  }
}

function judge(
  world: World,
  { killedAgents, undoneRuns, diskFaults }: Faults,
  { evidence, toldFromMs }: { readonly evidence: Evidence; readonly toldFromMs: number },
): Verdict {
  const isUnsure = ({ by, at }: Fact): boolean =>
    by.startsWith('rec') &&
    diskFaults.some(([from, to]) => at >= from - 1_000 && at <= to + AFTER_DISK_FAULT_MS);
  const history = {
    facts: readFacts(world.ledgers),
    runs: readRuns(world.runLog, killedAgents, undoneRuns),
    linesARun: LINES_A_RUN,
    atEndpoint: world.endpoint?.tokens,
    isAnonymous: ({ by }: Fact) =>
      by.startsWith('otlp') || (by.startsWith('remote') && world.key === undefined),
    mayBeLost: isUnsure,
    told: world.notified?.told,
    toldFromMs,
  };
  return check(history, evidence);
}

/** What ends before the first service has begun to notify is not told, as documented. Returns when that was, or the deadline. */
async function untilTold({ notified }: World): Promise<number> {
  const end = Date.now() + TOLD_MS_MAX;
  while (notified !== undefined && notified.told.length === 0 && Date.now() < end) await delay(100);
  return Date.now();
}

async function scrapeAll(
  { ports }: World,
  crew: Crew,
  books: BookScrapes,
  state: { readonly isOver: boolean },
): Promise<void> {
  const services = crew.of('service');
  while (!state.isOver) {
    await delay(SCRAPE_MS);
    for (const [n, { web }] of ports.entries()) {
      const pid = services[n]?.pid;
      // A service that was started in between has other counters.
      if (pid === undefined || services[n]?.isPaused) continue;
      const before = services[n]?.starts;
      if (services[n]?.starts === before) await books.scrape(`http://127.0.0.1:${web}/metrics`, pid);
    }
  }
}

function endAgent(world: World, pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it has ended.
    return;
  }
  appendFileSync(join(world.directory, 'actions.log'), `ended agent ${pid} after the round\n`);
}

function featuresOf(world: World): string {
  const { redis, key, endpoint, disk, power, victoria } = world;
  const parts = { redis, key, endpoint, disk, power, victoria };
  const names = Object.entries(parts).filter(([, value]) => value !== undefined);
  return names.map(([name]) => name).join(', ') || 'plain';
}
