import type { VNode } from 'preact';
import type { Stats, StatsRow } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { useResource } from '../data/resource.ts';
import { go, href, place } from '../data/route.ts';
import { FilterBox } from '../ui/filter-box.tsx';
import { amount, cost, duration } from '../ui/format.ts';
import { Empty, Failure, Loading } from '../ui/notice.tsx';
import { DayChart } from './day-chart.tsx';

const SPANS = ['7d', '30d', '90d'] as const;
const GROUPS = ['agent', 'model', 'repo', 'command', 'status', 'tool', 'workflow', 'phase', 'step'] as const;

/** Cost, tokens, success and duration, by day and by group. */
export function NumbersView(): VNode {
  const { query } = place.value;
  const q = query.get('q') ?? '';
  const since = SPANS.find((one) => one === query.get('since')) ?? '30d';
  const by = GROUPS.find((one) => one === query.get('by')) ?? 'agent';
  const to = (more: Readonly<Record<string, string>>): string => href('/numbers', { q, since, by, ...more });
  const days = useResource([q, since], (abort) =>
    read<Stats>('/stats', { q, since, group_by: 'day' }, abort),
  );
  const groups = useResource([q, since, by], (abort) =>
    read<Stats>('/stats', { q, since, group_by: by }, abort),
  );
  const { value, error } = days.state.value;
  return (
    <>
      <h1>Numbers</h1>
      <FilterBox
        q={q}
        placeholder="of tasks like: agent:claude, repo:acme/*"
        onSearch={(next) => go(to({ q: next }))}
      />
      <Choices name="Time" all={SPANS} chosen={since} to={(one) => to({ since: one })} />
      {error !== undefined && <Failure error={error} retry={days.reload} />}
      {value === undefined ? (
        error === undefined && <Loading />
      ) : value.rows.length === 0 ? (
        <Empty title="No task in this time">
          <p>
            <a href={to({ since: '90d' })}>Look at 90 days</a>
          </p>
        </Empty>
      ) : (
        <div class="charts">
          <DayChart title="Tasks" stats={value} since={since} read={(row) => row.count} format={amount} />
          <DayChart
            title="Failed"
            stats={value}
            since={since}
            read={(row) => row.failed}
            format={amount}
            isBad
          />
          <DayChart
            title="Cost"
            stats={value}
            since={since}
            read={(row) => row.cost_usd ?? 0}
            format={cost}
          />
          <DayChart title="Tokens" stats={value} since={since} read={tokensOf} format={amount} />
          <DayChart
            title="Duration, p95"
            stats={value}
            since={since}
            read={(row) => row.duration_seconds?.p95 ?? 0}
            format={duration}
            isSum={false}
          />
        </div>
      )}
      <Choices name="Group" all={GROUPS} chosen={by} to={(one) => to({ by: one })} />
      <GroupTable stats={groups.state.value.value} by={by} q={q} />
    </>
  );
}

function Choices<T extends string>({
  name,
  all,
  chosen,
  to,
}: {
  readonly name: string;
  readonly all: readonly T[];
  readonly chosen: T;
  to(one: T): string;
}): VNode {
  return (
    <nav class="choices" aria-label={name}>
      {all.map((one) => (
        <a key={one} href={to(one)} aria-current={one === chosen ? 'true' : undefined}>
          {one}
        </a>
      ))}
    </nav>
  );
}

function GroupTable({
  stats,
  by,
  q,
}: {
  readonly stats: Stats | undefined;
  readonly by: (typeof GROUPS)[number];
  readonly q: string;
}): VNode | null {
  if (stats === undefined || stats.rows.length === 0) return null;
  const rows = [...stats.rows].sort((a, b) => (b.cost_usd ?? 0) - (a.cost_usd ?? 0) || b.count - a.count);
  const isField = by !== 'phase' && by !== 'step';
  return (
    <div class="wide">
      <table>
        <thead>
          <tr>
            {[by, 'tasks', 'failed', 'success', 'cost', 'tokens', 'p50', 'p95', 'retries'].map((name, at) => (
              <th key={name} scope="col" class={at === 0 ? undefined : 'number'}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const name = row[by];
            return (
              <tr key={name}>
                <th scope="row">
                  {typeof name === 'string' && isField ? (
                    <a
                      href={href('/', { q: `${q} ${by}:${/[\s,"]/.test(name) ? `"${name}"` : name}`.trim() })}
                    >
                      {name}
                    </a>
                  ) : (
                    (name ?? 'none')
                  )}
                </th>
                <td class="number">{amount(row.count)}</td>
                <td class="number">{amount(row.failed)}</td>
                <td class="number">
                  {row.success_rate === null ? '–' : `${Math.round(row.success_rate * 100)} %`}
                </td>
                <td class="number">{cost(row.cost_usd)}</td>
                <td class="number">{amount(tokensOf(row))}</td>
                <td class="number">{duration(row.duration_seconds?.p50)}</td>
                <td class="number">{duration(row.duration_seconds?.p95)}</td>
                <td class="number">{amount(row.retries)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {stats.left_out > 0 && <p>{stats.left_out.toLocaleString('en-US')} more groups are not shown.</p>}
    </div>
  );
}

function tokensOf({ input_tokens: input, output_tokens: output }: StatsRow): number {
  return (input ?? 0) + (output ?? 0);
}
