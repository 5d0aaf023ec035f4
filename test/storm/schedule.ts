import { Random } from './random.ts';

/** Kinds of faults that can be switched on and off together. */
export const GROUPS = [
  'kills',
  'signals',
  'stops',
  'network',
  'endpoint',
  'redis',
  'disk',
  'power',
  'forgery',
  'victoria',
] as const;
export type Group = (typeof GROUPS)[number];

/** What a round may have, and some kinds of faults need. `cluster`: of VictoriaLogs. */
export type Need = 'redis' | 'victoria' | 'cluster';

interface Row {
  readonly group: Group;
  /** How often, relative to the others. */
  readonly weight: number;
  /** How long the fault lasts, or the delay of a kill. Milliseconds. */
  readonly forMs: readonly [number, number];
  readonly needs?: Need;
}

export type ActionKind =
  | 'kill-recorder'
  | 'kill-remote'
  | 'kill-emit'
  | 'kill-run'
  | 'kill-agent'
  | 'kill-service'
  | 'kill-starting'
  | 'kill-stopping'
  | 'kill-worker'
  | 'term-recorder'
  | 'term-service'
  | 'int-service'
  | 'term-worker'
  | 'stop-service'
  | 'stop-recorder'
  | 'stop-worker'
  | 'cut-refuse'
  | 'cut-hang'
  | 'cut-reset'
  | 'cut-answer'
  | 'endpoint-503'
  | 'endpoint-429'
  | 'endpoint-empty'
  | 'redis-kill'
  | 'redis-stop'
  | 'disk-read-only'
  | 'disk-full'
  | 'power-cut'
  | 'store-refuse'
  | 'store-hang'
  | 'store-reset'
  | 'store-answer'
  | 'store-half'
  | 'store-slow'
  | 'store-500'
  | 'store-429'
  | 'victoria-term'
  | 'victoria-stop'
  | 'victoria-kill';

/** The kill of a recorder or an emit costs little, that of a service seconds of CPU for the next start. */
const ROWS: Readonly<Record<ActionKind, Row>> = {
  'kill-recorder': { group: 'kills', weight: 34, forMs: [0, 0] },
  'kill-remote': { group: 'kills', weight: 10, forMs: [0, 0] },
  'kill-emit': { group: 'kills', weight: 22, forMs: [0, 0] },
  'kill-run': { group: 'kills', weight: 6, forMs: [0, 0] },
  'kill-agent': { group: 'kills', weight: 5, forMs: [0, 0] },
  'kill-service': { group: 'kills', weight: 4, forMs: [0, 0] },
  // Counted from the next start of its process.
  'kill-starting': { group: 'kills', weight: 4, forMs: [50, 1_500] },
  // Counted from a SIGTERM.
  'kill-stopping': { group: 'kills', weight: 2, forMs: [0, 800] },
  'kill-worker': { group: 'kills', weight: 4, forMs: [0, 0], needs: 'redis' },
  'term-recorder': { group: 'signals', weight: 5, forMs: [0, 0] },
  'term-service': { group: 'signals', weight: 2, forMs: [0, 0] },
  'int-service': { group: 'signals', weight: 1, forMs: [0, 0] },
  'term-worker': { group: 'signals', weight: 2, forMs: [0, 0], needs: 'redis' },
  // Counted from the takeover by another service.
  'stop-service': { group: 'stops', weight: 2, forMs: [0, 3_000] },
  'stop-recorder': { group: 'stops', weight: 3, forMs: [200, 3_000] },
  'stop-worker': { group: 'stops', weight: 2, forMs: [1_000, 20_000], needs: 'redis' },
  'cut-refuse': { group: 'network', weight: 2, forMs: [300, 3_000] },
  'cut-hang': { group: 'network', weight: 2, forMs: [300, 3_000] },
  'cut-reset': { group: 'network', weight: 2, forMs: [300, 3_000] },
  'cut-answer': { group: 'network', weight: 2, forMs: [300, 3_000] },
  'endpoint-503': { group: 'endpoint', weight: 1, forMs: [300, 3_000] },
  'endpoint-429': { group: 'endpoint', weight: 1, forMs: [300, 3_000] },
  'endpoint-empty': { group: 'endpoint', weight: 1, forMs: [300, 3_000] },
  'redis-kill': { group: 'redis', weight: 2, forMs: [300, 4_000], needs: 'redis' },
  'redis-stop': { group: 'redis', weight: 2, forMs: [500, 8_000], needs: 'redis' },
  'disk-read-only': { group: 'disk', weight: 1, forMs: [300, 3_000] },
  'disk-full': { group: 'disk', weight: 1, forMs: [300, 3_000] },
  'power-cut': { group: 'power', weight: 2, forMs: [0, 0] },
  // Between a service and VictoriaLogs.
  'store-refuse': { group: 'network', weight: 2, forMs: [300, 3_000], needs: 'victoria' },
  'store-hang': { group: 'network', weight: 2, forMs: [300, 6_000], needs: 'victoria' },
  'store-reset': { group: 'network', weight: 2, forMs: [300, 3_000], needs: 'victoria' },
  'store-answer': { group: 'network', weight: 2, forMs: [300, 3_000], needs: 'victoria' },
  'store-half': { group: 'network', weight: 2, forMs: [300, 3_000], needs: 'victoria' },
  'store-slow': { group: 'network', weight: 2, forMs: [300, 3_000], needs: 'victoria' },
  'store-500': { group: 'network', weight: 1, forMs: [300, 3_000], needs: 'victoria' },
  'store-429': { group: 'network', weight: 1, forMs: [300, 3_000], needs: 'victoria' },
  'victoria-term': { group: 'victoria', weight: 3, forMs: [100, 4_000], needs: 'victoria' },
  'victoria-stop': { group: 'victoria', weight: 3, forMs: [300, 6_000], needs: 'victoria' },
  // Of a part that stores nothing.
  'victoria-kill': { group: 'victoria', weight: 3, forMs: [100, 3_000], needs: 'cluster' },
};

export interface Action {
  /** Milliseconds after the start of the round. */
  readonly atMs: number;
  readonly kind: ActionKind;
  /** Chooses among the possible targets: from 0 to below 1. */
  readonly pick: number;
  readonly forMs: number;
}

export interface ScheduleOptions {
  readonly seed: string;
  readonly durationMs: number;
  /** Mean time between two actions. */
  readonly everyMs: number;
  readonly groups: ReadonlySet<Group>;
  readonly has: ReadonlySet<Need>;
}

/** The actions of one round, in order. The same options give the same actions. */
export function makeSchedule(options: ScheduleOptions): readonly Action[] {
  const { seed, durationMs, everyMs, groups, has } = options;
  const random = new Random(seed);
  const kinds = KINDS.filter((kind) => {
    const { group, needs } = ROWS[kind];
    return groups.has(group) && (needs === undefined || has.has(needs));
  });
  const actions: Action[] = [];
  // Exponential pauses: several actions at nearly the same moment are likely.
  for (let atMs = 0; ; ) {
    atMs -= Math.log(1 - random.next()) * everyMs;
    const kind = weighted(kinds, random.next());
    if (kind === undefined || atMs > durationMs) return actions;
    actions.push({ atMs, kind, pick: random.next(), forMs: random.between(...ROWS[kind].forMs) });
  }
}

function weighted(kinds: readonly ActionKind[], share: number): ActionKind | undefined {
  let rest = share * kinds.reduce((total, kind) => total + ROWS[kind].weight, 0);
  for (const kind of kinds) {
    rest -= ROWS[kind].weight;
    if (rest < 0) return kind;
  }
  return undefined;
}

const KINDS: readonly ActionKind[] = Object.keys(ROWS) as ActionKind[];
