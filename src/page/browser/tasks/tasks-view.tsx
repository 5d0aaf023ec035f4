import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { go, href, place } from '../data/route.ts';
import { Guarded } from '../ui/guarded.tsx';
import { isTyping } from '../ui/keys.ts';
import { Empty, Failure, Loading } from '../ui/notice.tsx';
import { useWindowRows } from '../ui/virtual.ts';
import { Facets } from './facets.tsx';
import { NewTask } from './new-task.tsx';
import { SearchBox } from './search-box.tsx';
import { type Sort, TaskList } from './task-list.ts';
import { TaskRow } from './task-row.tsx';
import { Weeks } from './weeks.tsx';

/** As in tasks.css. */
const ROW_HEIGHT = 52;
const HEADER_HEIGHT = 48;

/** The next page is loaded when so many rows of this one are left. */
const AHEAD = 30;

const SORTS: readonly Sort[] = ['created', 'cost', 'duration', 'tokens'];

export function TasksView(): VNode {
  const { query } = place.value;
  const q = query.get('q') ?? '';
  const sort = SORTS.find((one) => one === query.get('sort')) ?? 'created';
  const list = useMemo(() => new TaskList({ q, sort }), [q, sort]);
  useEffect(() => {
    list.open();
    return () => list.close();
  }, [list]);
  const search = (next: string, replace = false): void =>
    go(href('/', { q: next, ...(sort !== 'created' && { sort }) }), { replace });
  return (
    <>
      <h1 class="unseen">Tasks</h1>
      <div class="tasks-top">
        <SearchBox q={q} onSearch={search} onFound={go} />
        <NewTask />
        <Weeks q={q} opened={list.opened} />
      </div>
      <div class="tasks">
        <Facets q={q} opened={list.opened} onSearch={search} />
        <Rows list={list} q={q} sort={sort} />
      </div>
    </>
  );
}

function Rows({
  list,
  q,
  sort,
}: {
  readonly list: TaskList;
  readonly q: string;
  readonly sort: Sort;
}): VNode {
  const items = list.items.value;
  const selected = useSignal(-1);
  const body = useRef<HTMLDivElement>(null);
  const { rows, height, virtualizer } = useWindowRows({
    count: items.length,
    rowHeight: ROW_HEIGHT,
    scrollMargin: body.current?.offsetTop ?? 0,
    covered: HEADER_HEIGHT * 2,
    keyOf: (index) => items[index]?.task_id ?? index,
  });
  const last = rows.at(-1)?.index ?? 0;
  useEffect(() => {
    if (items.length > 0 && last >= items.length - AHEAD && list.error.value === undefined) void list.more();
  }, [last, items.length]);
  useEffect(() => {
    const move = (event: KeyboardEvent): void => {
      if (isTyping(event)) return;
      const step = { j: 1, k: -1 }[event.key];
      const item = list.items.value[selected.value];
      if (step !== undefined) {
        selected.value = Math.min(Math.max(selected.value + step, 0), list.items.value.length - 1);
        virtualizer.scrollToIndex(selected.value, { align: 'auto' });
      } else if (event.key === 'Enter' && item !== undefined && event.target === document.body) {
        go(href(`/tasks/${item.task_id}`));
      }
    };
    addEventListener('keydown', move);
    return () => removeEventListener('keydown', move);
  }, [list]);
  const error = list.error.value;
  if (error !== undefined && items.length === 0)
    return <Failure error={error} retry={() => void list.more()} />;
  if (items.length === 0 && !list.isLoading.value) return <NoTasks q={q} />;
  const top = body.current?.offsetTop ?? 0;
  return (
    <div
      class="task-table"
      role="table"
      aria-label="Tasks"
      aria-rowcount={list.hasMore.value ? -1 : items.length + 1}
    >
      <Heads q={q} sort={sort} />
      {list.fresh.value > 0 && (
        <button type="button" class="fresh" onClick={() => list.refresh()}>
          {list.fresh.value} new
        </button>
      )}
      {list.isLoading.value && items.length === 0 && <Loading />}
      <div ref={body} role="rowgroup" class="task-rows" style={{ height: `${height}px` }}>
        {rows.map((row) => {
          const item = items[row.index];
          return (
            item && (
              <div
                key={row.key}
                class="task-place"
                role="presentation"
                style={{ transform: `translateY(${row.start - top}px)` }}
              >
                <Guarded what={`Task ${item.task_id}`}>
                  <TaskRow item={item} index={row.index} isSelected={row.index === selected.value} />
                </Guarded>
              </div>
            )
          );
        })}
      </div>
      {error !== undefined && <Failure error={error} retry={() => void list.more()} />}
    </div>
  );
}

const HEADS: readonly (readonly [string, string, Sort?])[] = [
  ['Status', ''],
  ['Task', ''],
  ['Repository', ''],
  ['Agent', ''],
  ['Created', '', 'created'],
  ['Duration', 'number', 'duration'],
  ['Cost', 'number', 'cost'],
  ['Tokens', 'number', 'tokens'],
];

function Heads({ q, sort }: { readonly q: string; readonly sort: Sort }): VNode {
  return (
    <div role="rowgroup" class="task-heads">
      <div class="task-row" role="row" aria-rowindex={1}>
        {HEADS.map(([name, kind, by]) => (
          <span
            key={name}
            role="columnheader"
            class={kind}
            aria-sort={by === undefined ? undefined : by === sort ? 'descending' : 'none'}
          >
            {by === undefined ? (
              name
            ) : (
              <a href={href('/', { q, ...(by !== 'created' && { sort: by }) })}>
                {name}
                {by === sort && <span aria-hidden="true"> ↓</span>}
              </a>
            )}
          </span>
        ))}
      </div>
    </div>
  );
}

function NoTasks({ q }: { readonly q: string }): VNode {
  if (q !== '')
    return (
      <Empty title="No task is like that">
        <p>
          <a href={href('/')}>Show all tasks</a>
        </p>
      </Empty>
    );
  return (
    <Empty title="No task yet">
      <p>Start one, and it appears here at once:</p>
      <pre>
        <code>{`curl -s ${location.origin}/api/tasks -H 'content-type: application/json' -d '{"message":"What does this project do?"}'`}</code>
      </pre>
    </Empty>
  );
}
