import { type ReadonlySignal, useComputed, useSignal, useSignalEffect } from '@preact/signals';
import type { VNode } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Task } from '../../../../client/api/shapes.ts';
import { now } from '../../data/clock.ts';
import { count, duration } from '../../ui/format.ts';
import { Empty } from '../../ui/notice.tsx';
import { useElementRows } from '../../ui/virtual.ts';
import type { LiveSpan as Span } from '../open-spans.ts';
import { isPointedAt, type Pointed, type RunLinks } from '../run-links.ts';
import { withLanes } from './attempt-lanes.ts';
import { SpanDetails } from './span-details.tsx';
import { SpanRow } from './span-row.tsx';
import { callOf, rowsOf, type SpanNode, treeOf } from './span-tree.ts';
import { type Period, scaleOf, type TimeScale, tickLabel, ticksOf } from './time-scale.ts';

/** As in run.css. */
const ROW_HEIGHT = 28;

/** A narrow timeline has room for their labels. */
const TICKS = 4;

export interface TimelineProps {
  readonly spans: ReadonlySignal<readonly Span[]>;
  readonly task: Pick<Task, 'created_at' | 'completed_at'>;
  readonly links: RunLinks;
}

/** A clock that is wrong by hours is shown as it is. */
const MARGIN_MS = 24 * 3_600_000;

/** What happened when: a row a span, a bar for its time. */
export function Timeline({ spans, task, links }: TimelineProps): VNode {
  const { created_at: createdAt, completed_at: completedAt } = task;
  const isOver = completedAt !== null;
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const isFolded = useSignal(true);
  const chosen = useSignal<string | undefined>(undefined);
  const isDetailed = useSignal(false);
  const roots = useComputed(() => withLanes(treeOf(spans.value)));
  const rows = useComputed(() => rowsOf(roots.value, closed.value));
  const box = useRef<HTMLDivElement>(null);
  const all = rows.value;
  // Drawn again at each move of the scroll bar: what looks at all rows does so once.
  const isOpen = useMemo(() => !isOver && all.some(({ endMs }) => endMs === undefined), [all, isOver]);
  const nowMs = isOpen ? now.value : 0;
  const scale = useMemo(
    () => scaleOf(all, nowMs, { isFolded: isFolded.value, within: periodOf(createdAt, completedAt) }),
    [all, nowMs, isFolded.value, createdAt, completedAt],
  );
  const node = useMemo(
    () => (chosen.value === undefined ? undefined : all.find(({ id }) => id === chosen.value)),
    [all, chosen.value],
  );
  const {
    rows: visible,
    height,
    virtualizer,
  } = useElementRows(() => box.current, { count: all.length, rowHeight: ROW_HEIGHT });
  // What was chosen in the transcript.
  useSignalEffect(() => {
    const wanted = links.chosen.value;
    if (wanted?.by !== 'transcript') return;
    const isWanted = (node: SpanNode): boolean =>
      isPointedAt(wanted, { call: callOf(node), startMs: node.startMs, endMs: node.endMs ?? Date.now() });
    if (!rows.peek().some(isWanted)) closed.value = new Set();
    const at = rows.peek().findIndex(isWanted);
    if (at < 0) return;
    chosen.value = rows.peek()[at]?.id;
    virtualizer.scrollToIndex(at, { align: 'auto' });
  });
  const isAtEnd = useRef(true);
  // What begins now is seen, until the reader scrolls up.
  useLayoutEffect(() => {
    if (!isOver && isAtEnd.current) box.current?.scrollTo(0, box.current.scrollHeight);
  }, [all.length, isOver]);
  if (all.length === 0)
    return (
      <Empty title={isOver ? 'There are no spans' : 'Nothing has been recorded yet'}>
        <p>{isOver ? 'This run has recorded none.' : 'The first span appears here at once.'}</p>
      </Empty>
    );
  const point = (pointed: SpanNode | undefined): void => {
    links.pointed.value = pointed === undefined ? undefined : pointedOf(pointed, scale.endMs);
  };
  const choose = (next: SpanNode): void => {
    chosen.value = next.id;
    isDetailed.value = true;
    const pointed = pointedOf(next, scale.endMs);
    links.pointed.value = pointed;
    if (pointed.call !== undefined) links.chosen.value = pointed;
  };
  const fold = ({ id }: SpanNode): void => {
    const next = new Set(closed.value);
    if (!next.delete(id)) next.add(id);
    closed.value = next;
  };
  const onKey = (event: KeyboardEvent): void => {
    const at = all.findIndex(({ id }) => id === chosen.value);
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    const current = all[at];
    if (step !== undefined) {
      const to = Math.min(Math.max(at + step, 0), all.length - 1);
      const next = all[to];
      if (next !== undefined) choose(next);
      virtualizer.scrollToIndex(to, { align: 'auto' });
    } else if ((event.key === 'ArrowLeft' || event.key === 'ArrowRight') && current !== undefined) {
      if (closed.value.has(current.id) === (event.key === 'ArrowRight')) fold(current);
    } else return;
    event.preventDefault();
  };
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-bar">
        <span>
          {count(all.length, 'span')}, {duration((scale.endMs - scale.startMs) / 1000)}
        </span>
        {(scale.folds.length > 0 || !isFolded.value) && (
          <label>
            <input
              type="checkbox"
              checked={isFolded.value}
              onChange={() => {
                isFolded.value = !isFolded.value;
              }}
            />{' '}
            fold idle time
          </label>
        )}
      </div>
      <Ticks scale={scale} />
      <div
        class="timeline-rows"
        ref={box}
        tabIndex={0}
        role="tree"
        aria-label="Spans"
        onKeyDown={onKey}
        onScroll={({ currentTarget: { scrollHeight, clientHeight, scrollTop } }) => {
          isAtEnd.current = scrollHeight - clientHeight - scrollTop < ROW_HEIGHT;
        }}
        onMouseLeave={() => point(undefined)}
        onFocus={() => node !== undefined && point(node)}
        onBlur={() => point(undefined)}
      >
        <div style={{ height: `${height}px` }} role="presentation">
          {visible.map(({ index, start }) => {
            const row = all[index];
            return (
              row && (
                <SpanRow
                  key={row.id}
                  node={row}
                  top={start}
                  scale={scale}
                  isClosed={closed.value.has(row.id)}
                  isChosen={chosen.value === row.id}
                  pointed={links.pointed}
                  onChoose={choose}
                  onFold={fold}
                  onPoint={point}
                />
              )
            );
          })}
        </div>
      </div>
      {node !== undefined && isDetailed.value && (
        <SpanDetails
          node={node}
          onClose={() => {
            isDetailed.value = false;
          }}
        />
      )}
    </section>
  );
}

/** Around the task: spans say any time, as 1970. */
function periodOf(createdAt: string | null, completedAt: string | null): Period | undefined {
  const startMs = Date.parse(createdAt ?? '') - MARGIN_MS;
  const endMs = (completedAt === null ? Date.now() : Date.parse(completedAt)) + MARGIN_MS;
  return Number.isNaN(startMs) || Number.isNaN(endMs) ? undefined : { startMs, endMs };
}

function pointedOf(node: SpanNode, nowMs: number): Pointed {
  const { startMs, endMs = nowMs } = node;
  return { by: 'timeline', call: callOf(node), startMs, endMs };
}

function Ticks({ scale }: { readonly scale: TimeScale }): VNode {
  const ticks = ticksOf(scale, TICKS);
  return (
    <div class="timeline-ticks" aria-hidden="true">
      <span class="span-name" />
      <span class="span-lane">
        {ticks.map((ms) => (
          <span key={ms} class="tick" style={{ left: `${scale.at(scale.startMs + ms) * 100}%` }}>
            {tickLabel(ms, ticks)}
          </span>
        ))}
        {scale.folds.map(({ startMs, endMs }) => (
          <span
            key={startMs}
            class="tick-fold"
            title={`${duration((endMs - startMs) / 1000)} without activity`}
            style={{
              left: `${scale.at(startMs) * 100}%`,
              width: `${(scale.at(endMs) - scale.at(startMs)) * 100}%`,
            }}
          />
        ))}
      </span>
    </div>
  );
}
