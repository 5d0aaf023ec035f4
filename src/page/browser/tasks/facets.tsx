import type { VNode } from 'preact';
import type { Stats, StatsRow } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { inTurn } from '../data/in-turn.ts';
import { useResource } from '../data/resource.ts';
import { amount } from '../ui/format.ts';
import { Status } from '../ui/status.tsx';
import { toggled, valuesOf, withValues } from './query.ts';

const GROUPS = ['status', 'agent', 'repo', 'model', 'command', 'provider'] as const;
type Group = (typeof GROUPS)[number];

const ROWS_MAX = 8;

/** As in tasks.css: a narrow window shows the filters when they are asked for. */
const isWide = matchMedia('(min-width: 70.01rem)').matches;

export interface FacetsProps {
  readonly q: string;
  /** The list comes first. */
  readonly opened: Promise<void>;
  onSearch(q: string): void;
}

/** Values and how many tasks have them, each group counted as if it was not part of the query. */
export function Facets({ q, opened, onSearch }: FacetsProps): VNode {
  return (
    <aside class="facets" aria-label="Filters">
      <details open={isWide}>
        <summary>Filters</summary>
        {GROUPS.map((group) => (
          <Facet key={group} group={group} q={q} opened={opened} onSearch={onSearch} />
        ))}
      </details>
    </aside>
  );
}

function Facet({ group, q, opened, onSearch }: FacetsProps & { readonly group: Group }): VNode | null {
  const others = withValues(q, group, []);
  const { state } = useResource([others], async (abort) => {
    await opened;
    return inTurn(() => read<Stats>('/stats', { q: others, group_by: group }, abort), abort);
  });
  const chosen = valuesOf(q, group);
  const rows = (state.value.value?.rows ?? [])
    .map((row) => ({ value: groupValue(row, group), count: row.count }))
    .filter((row): row is { value: string; count: number } => typeof row.value === 'string')
    .sort((a, b) => b.count - a.count);
  const shown = rows.filter(({ value }, index) => index < ROWS_MAX || chosen.includes(value));
  if (shown.length === 0) return null;
  return (
    <fieldset>
      <legend>{group}</legend>
      {shown.map(({ value, count }) => (
        <label key={value} class="facet">
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={() => onSearch(toggled(q, group, value))}
          />
          <span class="facet-value">{group === 'status' ? <Status status={value} /> : value}</span>
          <span class="number">{amount(count)}</span>
        </label>
      ))}
    </fieldset>
  );
}

function groupValue(row: StatsRow, group: Group): string | null | undefined {
  return row[group];
}
