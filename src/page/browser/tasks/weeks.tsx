import type { VNode } from 'preact';
import type { Stats } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { inTurn } from '../data/in-turn.ts';
import { useResource } from '../data/resource.ts';
import { count } from '../ui/format.ts';
import { valuesOf } from './query.ts';

const DAYS = 28;
const DAY_MS = 86_400_000;
const HEIGHT = 32;

interface Day {
  readonly day: string;
  readonly count: number;
  readonly failed: number;
}

/** Tasks of each of the last days, the failed ones at the bottom. */
export function Weeks({
  q,
  opened,
}: {
  readonly q: string;
  /** The list comes first. */
  readonly opened: Promise<void>;
}): VNode | null {
  const isBounded = valuesOf(q, 'since').length > 0;
  const { state } = useResource([q], async (abort) => {
    await opened;
    const query = { q, group_by: 'day', ...(!isBounded && { since: `${DAYS}d` }) };
    return inTurn(() => read<Stats>('/stats', query, abort), abort);
  });
  const stats = state.value.value;
  if (stats === undefined) return null;
  const days = daysOf(stats, Date.now());
  const most = Math.max(1, ...days.map((day) => day.count));
  const all = days.reduce((sum, day) => sum + day.count, 0);
  return (
    <figure class="weeks">
      <svg
        viewBox={`0 0 ${DAYS * 6} ${HEIGHT}`}
        role="img"
        aria-label={`${count(all, 'task')} in the last ${DAYS} days`}
      >
        {days.map((day, index) => {
          const [whole, failed] = [day.count, day.failed].map((n) => Math.ceil((n / most) * HEIGHT));
          return (
            <g key={day.day}>
              <title>{`${day.day}: ${count(day.count, 'task')}, ${day.failed} failed`}</title>
              <rect class="day" x={index * 6} y={HEIGHT - (whole ?? 0)} width="5" height={whole} />
              <rect class="day-failed" x={index * 6} y={HEIGHT - (failed ?? 0)} width="5" height={failed} />
            </g>
          );
        })}
      </svg>
      <figcaption>{count(all, 'task')} in four weeks</figcaption>
    </figure>
  );
}

function daysOf({ rows }: Stats, nowMs: number): readonly Day[] {
  const known = new Map(rows.map((row) => [row.day, row]));
  return Array.from({ length: DAYS }, (_, index) => {
    const day = new Date(nowMs - (DAYS - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    const row = known.get(day);
    return { day, count: row?.count ?? 0, failed: row?.failed ?? 0 };
  });
}
