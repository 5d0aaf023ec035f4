import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Verdict } from './check/check.ts';
import { type RoundResult, runRound } from './round.ts';
import { GROUPS, type Group } from './schedule.ts';

const USAGE = `npm run test:storm -- [--minutes N] [--seed S] [--round-seconds N] [--every-ms N] [--queue memory|redis|any]
  [--faults ${GROUPS.join(',')}] [--first-round N] [--keep]

Starts all parts of the program, kills, stops and cuts them off by a schedule, and checks at the end of each round that
each acknowledged fact is stored once. The same seed gives the same schedule. Exit code: 0 nothing found, 1 a violation
(its directory is kept), 2 a fault of the harness.
`;

/** Without the power: its rounds sync each record, and have no other fault of the disk. */
const DEFAULT_GROUPS: readonly Group[] = GROUPS.filter((group) => group !== 'power');

const SECONDS_A_ROUND = 75;
const EVERY_MS = 300;

/** Violations that are printed of one round; all are in its verdict.json. */
const PRINTED_MAX = 40;

export interface StormOptions {
  readonly minutes: number;
  readonly seed: string;
  readonly groups: ReadonlySet<Group>;
  readonly queue: 'memory' | 'redis' | 'any';
  readonly roundSeconds: number;
  readonly everyMs: number;
  readonly firstRound: number;
  /** Keep the directories of good rounds. */
  readonly keep: boolean;
  readonly print: (line: string) => void;
}

/** Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options === undefined) return 2;
    const rounds = await runStorm(options);
    return rounds.some(({ violations }) => violations.length > 0) ? 1 : 0;
  } catch (error) {
    process.stderr.write(
      `storm: a fault of the harness: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
    return 2;
  }
}

/** Rounds until the time is up, at least one. SIGINT and SIGTERM end the storm after a check. */
export async function runStorm(options: StormOptions): Promise<readonly RoundResult[]> {
  const { minutes, seed, roundSeconds, firstRound, print } = options;
  const base = mkdtempSync(join(tmpdir(), 'tasktrail-storm-'));
  const state = { isAborted: false };
  const abort = (): void => {
    state.isAborted = true;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, abort);
  print(`seed ${seed}, faults ${[...options.groups].join(',')}, in ${base}`);
  const rounds: RoundResult[] = [];
  const endAt = Date.now() + minutes * 60_000;
  try {
    for (let n = firstRound; n === firstRound || (Date.now() < endAt && !state.isAborted); n += 1) {
      const seconds = Math.min(roundSeconds, minutes * 60);
      const round = await runRound({
        ...options,
        base,
        seed: `${seed} ${n}`,
        durationMs: seconds * 1000,
        isAborted: () => state.isAborted,
      });
      rounds.push(round);
      printRound(n, round, print);
      if (round.violations.length === 0 && !options.keep) rmSync(round.directory, { recursive: true });
    }
    printTotal(rounds, print);
    return rounds;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, abort);
    const isGood = rounds.length > 0 && rounds.every(({ violations }) => violations.length === 0);
    if (isGood && !options.keep) rmSync(base, { recursive: true, force: true });
  }
}

function printRound(n: number, round: RoundResult, print: (line: string) => void): void {
  const { violations, actions, features, scrapes, starts, directory } = round;
  print(`round ${n} (${features}): ${describe(round)}; ${starts} starts, ${scrapes} scrapes`);
  print(`  actions: ${listed(actions)}`);
  if (violations.length === 0) return;
  print(`  VIOLATIONS, kept in ${directory}:`);
  for (const { kind, what, file, detail } of violations.slice(0, PRINTED_MAX))
    print(`  ${kind}: ${what} in ${file}: ${detail}`);
  if (violations.length > PRINTED_MAX) print(`  ... ${violations.length - PRINTED_MAX} more in verdict.json`);
}

function printTotal(rounds: readonly RoundResult[], print: (line: string) => void): void {
  const actions: Record<string, number> = {};
  const kinds: Record<string, number> = {};
  for (const round of rounds) {
    for (const [kind, count] of Object.entries(round.actions)) actions[kind] = (actions[kind] ?? 0) + count;
    for (const { kind } of round.violations) kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  const kills = Object.entries(actions).reduce(
    (sum, [kind, n]) => sum + (kind.startsWith('kill-') ? n : 0),
    0,
  );
  const sum = (name: 'acknowledged' | 'foundOnce' | 'lost' | 'doubled' | 'excused'): number =>
    rounds.reduce((total, { counts }) => total + counts[name], 0);
  print(
    `total: ${rounds.length} rounds, ${kills} kills, ${sum('acknowledged')} acknowledged facts, found once ${sum('foundOnce')}, ` +
      `lost ${sum('lost')}, doubled ${sum('doubled')}, lost with a disk fault ${sum('excused')}`,
  );
  print(`  actions: ${listed(actions)}`);
  print(`  violations: ${listed(kinds) || 'none'}`);
}

function describe({ counts }: Verdict): string {
  const { acknowledged, foundOnce, lost, doubled, excused, byKind, agentRuns, tasks, badLines } = counts;
  return (
    `${acknowledged} facts (${listed(byKind)}), found once ${foundOnce}, lost ${lost}, doubled ${doubled}, ` +
    `with a disk fault ${excused}; ${tasks} tasks, ${agentRuns} runs of agents, ${badLines} bad lines, ` +
    `${counts.leftTasks} tasks left by refused deliveries, ${counts.repeats} repeated after a cut try`
  );
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort()
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function readOptions(args: readonly string[]): StormOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
      faults: { type: 'string', default: DEFAULT_GROUPS.join(',') },
      queue: { type: 'string', default: 'any' },
      'round-seconds': { type: 'string', default: String(SECONDS_A_ROUND) },
      'every-ms': { type: 'string', default: String(EVERY_MS) },
      'first-round': { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const groups = values.faults.split(',');
  const queue = (['memory', 'redis', 'any'] as const).find((one) => one === values.queue);
  const numbers = [values.minutes, values['round-seconds'], values['every-ms'], values['first-round']].map(
    Number,
  );
  const [minutes = 0, roundSeconds = 0, everyMs = 0, firstRound = 0] = numbers;
  const isValid = groups.every(isGroup) && numbers.every((number) => number > 0);
  if (values.help || queue === undefined || !isValid) {
    process.stderr.write(USAGE);
    return undefined;
  }
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const { seed, keep } = values;
  return {
    minutes,
    seed,
    queue,
    roundSeconds,
    everyMs,
    firstRound,
    keep,
    print,
    groups: new Set(groups.filter(isGroup)),
  };
}

function isGroup(text: string): text is Group {
  return GROUPS.some((group) => group === text);
}
