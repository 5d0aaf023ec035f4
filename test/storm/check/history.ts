import { existsSync, readFileSync } from 'node:fs';
import type { Fact } from '../ledger.ts';
import type { Told } from '../parts/notify-sink.ts';

/** One run of `agent.sh`. */
export interface AgentRun {
  readonly task: string;
  readonly place: string;
  readonly run: string;
  readonly pid: number;
  /** Its place in the order of all begins. */
  readonly order: number;
  readonly isEnded: boolean;
  /** It received a signal that ends it, or the storm has killed it. */
  readonly isStopped: boolean;
}

/** What the clients know at the end of a round. */
export interface History {
  readonly facts: readonly Fact[];
  readonly runs: readonly AgentRun[];
  /** Lines that each run prints. */
  readonly linesARun: number;
  /** Tokens that the endpoint accepted; undefined without an endpoint. */
  readonly atEndpoint?: ReadonlySet<string> | undefined;
  /** Facts of clients with this prefix come from anonymous senders. */
  readonly isAnonymous: (fact: Fact) => boolean;
  /**
   * Whether a record of this fact may be lost: recorded while the disk refused writes, by a process that was killed before
   * the disk was well again.
   */
  readonly mayBeLost?: (fact: Fact) => boolean;
  /** Notifications as they were received; undefined where none are sent. Then a repeated delivery is one task, too. */
  readonly told?: readonly Told[] | undefined;
  /** Ends before it need not be notified: none was yet. Milliseconds since the epoch. */
  readonly toldFromMs?: number;
}

/**
 * The log of `agent.sh`, with the pids of agents that the storm has killed, and the runs that count as killed although they
 * have ended.
 */
export function readRuns(
  path: string,
  killed: ReadonlySet<number>,
  undone: ReadonlySet<string> = new Set(),
): readonly AgentRun[] {
  const runs = new Map<string, AgentRun>();
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const line of text.split('\n').slice(0, -1)) {
    const [word = '', task = '', phase = '', step = '', run = '', pid = ''] = line.split(' ');
    // A run that could not be recorded has no task.
    if (task === '') continue;
    const known = runs.get(run) ?? {
      task,
      place: `${phase}/${step}`,
      run,
      pid: Number(pid),
      order: runs.size,
      isEnded: false,
      isStopped: killed.has(Number(pid)) || undone.has(run),
    };
    runs.set(run, {
      ...known,
      isEnded: !undone.has(run) && (known.isEnded || word === 'ended'),
      isStopped: known.isStopped || word === 'stopped',
    });
  }
  return [...runs.values()];
}
