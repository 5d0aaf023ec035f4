import { parseArgs } from 'node:util';
import { noImageReason } from '../support/disk-image.ts';
import { findRedis } from '../support/redis.ts';
import { findCluster } from '../support/victoria-cluster.ts';
import { findVictoriaLogs } from '../support/victoria-logs.ts';
import { GROUPS, type Group } from './schedule.ts';

export const USAGE: string = `npm run test:storm -- [--minutes N] [--seed S] [--round-seconds N] [--every-ms N] [--queue memory|redis|any]
  [--store files|victorialogs|cluster] [--faults ${GROUPS.join(',')}] [--first-round N] [--keep]

Starts all parts of the program, kills, stops and cuts them off by a schedule, and checks at the end of each round that
each acknowledged fact is stored once. The same seed gives the same schedule. Exit code: 0 nothing found, 1 a violation
(its directory is kept), 2 a bad option or a fault of the harness.
`;

/** Without the power: its rounds sync each record, and have no other fault of the disk. */
export const DEFAULT_GROUPS: readonly Group[] = GROUPS.filter((group) => group !== 'power');

const QUEUES = ['memory', 'redis', 'any'] as const;

/** Where services keep records. `cluster`: VictoriaLogs as two storage nodes and a vlselect. */
export const STORES = ['files', 'victorialogs', 'cluster'] as const;
export type StoreKind = (typeof STORES)[number];

/** What a storm is started with from a command line. */
export interface StormArguments {
  readonly minutes: number;
  readonly seed: string;
  readonly groups: ReadonlySet<Group>;
  /** Over VictoriaLogs always Redis. */
  readonly queue: (typeof QUEUES)[number];
  readonly store: StoreKind;
  readonly roundSeconds: number;
  readonly everyMs: number;
  readonly firstRound: number;
  /** Keep the directories of good rounds. */
  readonly keep: boolean;
}

/** Bad options. The message names each one, and says what it may be. */
export class OptionsError extends Error {}

const OPTIONS = {
  minutes: { type: 'string', default: '5' },
  seed: { type: 'string' },
  faults: { type: 'string', default: DEFAULT_GROUPS.join(',') },
  queue: { type: 'string', default: 'any' },
  store: { type: 'string', default: 'files' },
  'round-seconds': { type: 'string', default: '75' },
  'every-ms': { type: 'string', default: '300' },
  'first-round': { type: 'string', default: '1' },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Undefined when the usage is asked for. Throws `OptionsError`. */
export function readArguments(args: readonly string[]): StormArguments | undefined {
  const { values } = parsed(args);
  if (values.help) return undefined;
  const problems: string[] = [];
  const number = (
    name: 'minutes' | 'round-seconds' | 'every-ms' | 'first-round',
    isWhole = false,
  ): number => {
    const value = values[name].trim() === '' ? Number.NaN : Number(values[name]);
    if (!(value > 0 && value < Number.POSITIVE_INFINITY) || (isWhole && !Number.isInteger(value)))
      problems.push(`--${name} must be a ${isWhole ? 'whole ' : ''}number above 0, not "${values[name]}"`);
    return value;
  };
  const names = values.faults.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !isGroup(name));
  if (unknown.length > 0)
    problems.push(`--faults does not know "${unknown.join('", "')}": it takes ${GROUPS.join(',')}`);
  const queue = QUEUES.find((one) => one === values.queue);
  if (queue === undefined) problems.push(`--queue must be ${QUEUES.join(', ')}, not "${values.queue}"`);
  const store = STORES.find((one) => one === values.store);
  if (store === undefined) problems.push(`--store must be ${STORES.join(', ')}, not "${values.store}"`);
  const groups = new Set(names.filter(isGroup));
  const isRows = store !== undefined && store !== 'files';
  if (isRows && queue === 'memory') problems.push(`--store ${store} needs Redis: --queue redis or any`);
  if (isRows && groups.has('power'))
    problems.push(`--store ${store} has no log directory whose power --faults power could cut`);
  if (groups.has('power') && groups.has('disk'))
    problems.push('--faults takes power or disk: there is one file system below the log directory');
  if (values.seed === '') problems.push('--seed must not be empty');
  const options = {
    minutes: number('minutes'),
    roundSeconds: number('round-seconds'),
    everyMs: number('every-ms'),
    firstRound: number('first-round', true),
    seed: values.seed ?? String(Math.floor(Math.random() * 1e6)),
    keep: values.keep,
    groups,
  };
  if (problems.length > 0 || queue === undefined || store === undefined)
    throw new OptionsError(problems.join('\n'));
  return { ...options, queue, store };
}

/** What was asked for by name and cannot be had on this machine, with the reason. */
export function missingParts({
  groups,
  queue,
  store,
}: Pick<StormArguments, 'groups' | 'queue' | 'store'>): readonly string[] {
  const missing: string[] = [];
  const image = groups.has('power') ? noImageReason() : undefined;
  if (image !== undefined) missing.push(`--faults power cannot cut it here: ${image}`);
  const victoria = store === 'files' ? undefined : store === 'cluster' ? findCluster() : findVictoriaLogs();
  if (victoria !== undefined && 'missing' in victoria) missing.push(`--store ${store}: ${victoria.missing}`);
  const redis = queue === 'redis' || store !== 'files' ? findRedis() : undefined;
  if (redis !== undefined && 'missing' in redis) missing.push(`Redis: ${redis.missing}`);
  return missing;
}

function parsed(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS });
  } catch (error) {
    // An unknown option, or one without its value: Node names it.
    throw new OptionsError(error instanceof Error ? error.message : String(error));
  }
}

function isGroup(text: string): text is Group {
  return GROUPS.some((group) => group === text);
}
