import type { VNode } from 'preact';
import type { Stats, StatsRow } from '../../../client/api/shapes.ts';

const DAY_MS = 86_400_000;
const [WIDTH, HEIGHT] = [300, 72];

export interface DayChartProps {
  readonly title: string;
  readonly stats: Stats;
  /** `30d`. */
  readonly since: string;
  readonly isBad?: boolean;
  /** Whether the figure above is the sum of the days. Default: yes; else it is the highest. */
  readonly isSum?: boolean;
  read(row: StatsRow): number;
  format(value: number): string;
}

/** A bar a day. */
export function DayChart({
  title,
  stats,
  since,
  isBad = false,
  isSum = true,
  read,
  format,
}: DayChartProps): VNode {
  const count = Number.parseInt(since, 10);
  const byDay = new Map(stats.rows.map((row) => [row.day, row]));
  const days = Array.from({ length: count }, (_, at) => {
    const day = new Date(Date.now() - (count - 1 - at) * DAY_MS).toISOString().slice(0, 10);
    const row = byDay.get(day);
    return { day, value: row === undefined ? 0 : read(row) };
  });
  const most = Math.max(...days.map(({ value }) => value), 0);
  const figure = isSum ? days.reduce((sum, { value }) => sum + value, 0) : most;
  const step = WIDTH / count;
  return (
    <figure class="chart">
      <figcaption>
        {title} <strong>{format(figure)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title} by day`}
      >
        {days.map(({ day, value }, at) => {
          const height = most === 0 ? 0 : (value / most) * HEIGHT;
          return (
            <g key={day}>
              <title>{`${day}: ${format(value)}`}</title>
              <rect class="day-ground" x={at * step} y="0" width={step} height={HEIGHT} />
              <rect
                class={isBad ? 'day-failed' : 'day'}
                x={at * step}
                y={HEIGHT - height}
                width={Math.max(1, step - 1)}
                height={height}
              />
            </g>
          );
        })}
      </svg>
    </figure>
  );
}
