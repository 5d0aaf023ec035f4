import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import type { Facets as Counted } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { inTurn } from '../data/in-turn.ts';
import { useResource } from '../data/resource.ts';
import { amount } from '../ui/format.ts';
import { Status } from '../ui/status.tsx';
import { toggled, valuesOf } from './query.ts';

const FIELDS = ['status', 'agent', 'repo', 'model', 'command', 'provider'] as const;

/** Values of a field before "more". */
const SHOWN = 8;

/** With more values than these they can be filtered. */
const MANY = 20;

/** As in tasks.css: a narrow window shows the filters when they are asked for. */
const isWide = matchMedia('(min-width: 70.01rem)').matches;

export interface FacetsProps {
  readonly q: string;
  /** The list comes first. */
  readonly opened: Promise<void>;
  onSearch(q: string): void;
}

/** Values and how many tasks have them, each field counted as if it was not part of the query. */
export function Facets({ q, opened, onSearch }: FacetsProps): VNode {
  const { state } = useResource([q], async (abort) => {
    await opened;
    return inTurn(() => read<Counted>('/facets', { q, of: FIELDS.join(',') }, abort), abort);
  });
  return (
    <aside class="facets" aria-label="Filters">
      <details open={isWide}>
        <summary>Filters</summary>
        {state.value.value?.facets.map((facet) => (
          <Facet key={facet.field} facet={facet} q={q} onSearch={onSearch} />
        ))}
      </details>
    </aside>
  );
}

interface FacetProps extends Omit<FacetsProps, 'opened'> {
  readonly facet: Counted['facets'][number];
}

function Facet({ facet: { field, values, left_out: leftOut }, q, onSearch }: FacetProps): VNode | null {
  const isOpen = useSignal(false);
  const sought = useSignal('');
  const rows = useRef<HTMLDivElement>(null);
  const chosen = valuesOf(q, field);
  const named = values.filter((row): row is { value: string; count: number } => row.value !== null);
  // What is chosen can be taken back, also where no task has it.
  const gone = chosen.filter((value) => isOneValue(value) && !named.some((row) => row.value === value));
  const all = [...named, ...gone.map((value) => ({ value, count: 0 }))];
  if (all.length === 0) return null;
  const shown = isOpen.value
    ? all.filter(({ value }) => value.toLowerCase().includes(sought.value.toLowerCase()))
    : all.filter(({ value }, index) => index < SHOWN || chosen.includes(value));
  const hidden = all.length - shown.length;
  const open = (): void => {
    isOpen.value = true;
    // The button that had the focus is gone.
    requestAnimationFrame(() =>
      rows.current?.querySelector<HTMLElement>('input[type=search], label:nth-child(9) input')?.focus(),
    );
  };
  return (
    <fieldset>
      <legend>{field}</legend>
      <div ref={rows} class={isOpen.value ? 'facet-rows facet-all' : 'facet-rows'}>
        {isOpen.value && all.length > MANY && (
          <input
            type="search"
            class="facet-filter"
            aria-label={`Filter the values of ${field}`}
            placeholder="filter"
            autocomplete="off"
            value={sought.value}
            onInput={(event) => {
              sought.value = event.currentTarget.value;
            }}
          />
        )}
        {shown.map(({ value, count }) => (
          <label key={value} class="facet">
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={() => onSearch(toggled(q, field, value))}
            />
            <span class="facet-value" title={value}>
              {field === 'status' ? <Status status={value} /> : value}
            </span>
            <span class="number">{amount(count)}</span>
          </label>
        ))}
        {isOpen.value && shown.length === 0 && <p class="facet-none">No value is like that.</p>}
        {isOpen.value && leftOut > 0 && (
          <p class="facet-none">
            {leftOut.toLocaleString('en-US')} rare ones are not listed: search for them.
          </p>
        )}
      </div>
      {isOpen.value ? (
        <button
          type="button"
          class="facet-more"
          onClick={() => {
            isOpen.value = false;
            sought.value = '';
          }}
        >
          Fewer<span class="unseen"> of {field}</span>
        </button>
      ) : (
        hidden > 0 && (
          <button type="button" class="facet-more" onClick={open}>
            {hidden.toLocaleString('en-US')} more<span class="unseen"> of {field}</span>
          </button>
        )
      )}
    </fieldset>
  );
}

/** `acme/*` names many. */
function isOneValue(value: string): boolean {
  return value !== '' && !value.endsWith('*');
}
