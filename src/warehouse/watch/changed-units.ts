import { EVENT } from '../../model/events.ts';
import { isoFromMs } from '../../model/time.ts';
import type { VictoriaLogs } from '../client.ts';
import { is, type RowKind, rowsOfKinds } from '../logsql.ts';
import { kindOf } from '../marked-place.ts';
import { RowCounts } from '../read/row-counts.ts';

/** Rows are visible after about a second, and the clocks of the services that store them differ: so much is read again. */
export const OVERLAP_MS = 15_000;

const PIECE_MS = 5_000;

const WATCHED: readonly RowKind[] = ['stage', 'output', 'fact', 'span', 'event'];

/** Of what came earlier: the running tasks are found otherwise. */
const WATCHED_EARLIER: readonly RowKind[] = ['fact', 'event'];

/** What has come for a task or a workflow. */
export interface ChangedUnit {
  readonly what: 'task' | 'workflow';
  readonly id: string;
  /** Facts of the task, or events of the workflow. */
  readonly hasFacts: boolean;
  /** Who has sent records of the task that are no spans. */
  readonly senders: ReadonlySet<string>;
}

/** Tasks and workflows that have changed, by the rows that became visible since the last look. */
export class ChangedUnits {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #counts: RowCounts;
  #fromMs: number;

  /** `fromMs`: rows that came before it are not looked at. `now`: milliseconds since the epoch. */
  constructor(logs: VictoriaLogs, { fromMs, now }: { readonly fromMs: number; readonly now: () => number }) {
    this.#logs = logs;
    this.#now = now;
    this.#fromMs = fromMs;
    const by = ['kind', 'unit', 'sender'];
    this.#counts = new RowCounts(logs, { rows: rowsOfKinds(WATCHED), by, pieceMs: PIECE_MS });
  }

  /** Each change is in one answer at least. Throws `ERR_STORE_UNAVAILABLE`: the next look has what this one would have had. */
  async read(): Promise<readonly ChangedUnit[]> {
    const nowMs = this.#now();
    const changed = new Map<string, Changed>();
    const recent = this.#counts.startOf(nowMs - 2 * OVERLAP_MS);
    const asked = this.#counts.startOf(this.#fromMs);
    if (asked < recent) {
      const times = `_time:>=${isoFromMs(asked)} _time:<${isoFromMs(recent)}`;
      const query = `${rowsOfKinds(WATCHED_EARLIER)} ${times} | stats by (kind, unit, sender) count() rows`;
      for await (const { kind = '', unit = '', sender } of this.#logs.query(query))
        note(changed, { kind, unit, sender });
    }
    const from = Math.max(asked, recent);
    const grown = await this.#counts.look(from);
    for (const { kind = '', unit = '', sender } of grown.map(({ group }) => group))
      note(changed, { kind, unit, sender });
    this.#counts.forgetBefore(from);
    this.#fromMs = Math.max(this.#fromMs, nowMs - OVERLAP_MS);
    return [...changed.values()];
  }
}

interface Changed extends ChangedUnit {
  hasFacts: boolean;
  readonly senders: Set<string>;
}

function note(
  changed: Map<string, Changed>,
  {
    kind,
    unit,
    sender,
  }: { readonly kind: string; readonly unit: string; readonly sender: string | undefined },
): void {
  const what = kind === 'event' ? 'workflow' : 'task';
  const key = `${what} ${unit}`;
  let one = changed.get(key);
  if (one === undefined) {
    one = { what, id: unit, hasFacts: false, senders: new Set() };
    changed.set(key, one);
  }
  if (kind === 'fact' || kind === 'event') one.hasFacts = true;
  if (kind !== 'span') one.senders.add(kindOf(sender));
}

/** Tasks without an end, or with facts after it: by their marks and facts, without their lines. */
export async function readOpenTasks(logs: VictoriaLogs): Promise<readonly string[]> {
  const rows = await logs.rows(
    `${rowsOfKinds(['task', 'fact'])} | stats by (unit) max(_time) if (${is('event', EVENT.result)}) ended, ` +
      'max(_time) if (kind:=fact) latest | filter (ended:"" or ended:lt_field(latest)) | fields unit',
  );
  return rows.flatMap(({ unit }) => unit ?? []);
}
