import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Verdict } from './check/check.ts';
import { missingParts, OptionsError, readArguments, type StormArguments, USAGE } from './options.ts';
import { type RoundResult, runRound } from './round.ts';

/** Violations that are printed of one round; all are in its verdict.json. */
const PRINTED_MAX = 40;

export interface StormOptions extends StormArguments {
  readonly print: (line: string) => void;
}

/** Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readArguments(args);
    if (options === undefined) {
      process.stdout.write(USAGE);
      return 0;
    }
    const missing = missingParts(options);
    if (missing.length > 0) throw new OptionsError(missing.join('\n'));
    const print = (line: string): void => void process.stdout.write(`${line}\n`);
    const rounds = await runStorm({ ...options, print });
    return rounds.some(({ violations }) => violations.length > 0) ? 1 : 0;
  } catch (error) {
    if (error instanceof OptionsError) {
      const lines = error.message.split('\n').map((line) => `storm: ${line}\n`);
      process.stderr.write(`${lines.join('')}storm: --help names all options\n`);
      return 2;
    }
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
  print(`seed ${seed}, store ${options.store}, faults ${[...options.groups].join(',')}, in ${base}`);
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
