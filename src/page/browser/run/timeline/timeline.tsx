import { type ReadonlySignal, type Signal, useComputed, useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { now } from '../../data/clock.ts';
import { duration } from '../../ui/format.ts';
import { Empty } from '../../ui/notice.tsx';
import { useElementRows } from '../../ui/virtual.ts';
import type { LiveSpan as Span } from '../open-spans.ts';
import { SpanDetails } from './span-details.tsx';
import { rowsOf, type SpanNode, treeOf } from './span-tree.ts';
import { scaleOf, type TimeScale, tickLabel, ticksOf } from './time-scale.ts';

/** As in timeline.css. */
const ROW_HEIGHT = 28;

const TICKS = 6;

export interface TimelineProps {
  readonly spans: ReadonlySignal<readonly Span[]>;
  readonly isOver: boolean;
  /** The call of a tool that is chosen here or in the transcript. */
  readonly chosenCall: Signal<string | undefined>;
}

/** What happened when: a row a span, a bar for its time. */
export function Timeline({ spans, isOver, chosenCall }: TimelineProps): VNode {
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const isFolded = useSignal(true);
  const chosen = useSignal<string | undefined>(undefined);
  const roots = useComputed(() => treeOf(spans.value));
  const rows = useComputed(() => rowsOf(roots.value, closed.value));
  const box = useRef<HTMLDivElement>(null);
  const all = rows.value;
  // Drawn again at each move of the scroll bar: what looks at all rows does so once.
  const isOpen = useMemo(() => !isOver && all.some(({ endMs }) => endMs === undefined), [all, isOver]);
  const nowMs = isOpen ? now.value : 0;
  const scale = useMemo(
    () => scaleOf(all, nowMs, { isFolded: isFolded.value }),
    [all, nowMs, isFolded.value],
  );
  const node = useMemo(
    () => chosen.value && all.find(({ span }) => span.span_id === chosen.value),
    [all, chosen.value],
  );
  const { rows: visible, height } = useElementRows(() => box.current, {
    count: all.length,
    rowHeight: ROW_HEIGHT,
  });
  if (all.length === 0)
    return (
      <Empty title={isOver ? 'There are no spans' : 'Nothing has been recorded yet'}>
        <p>{isOver ? 'This run has recorded none.' : 'The first span appears here at once.'}</p>
      </Empty>
    );
  const choose = ({ span }: SpanNode): void => {
    chosen.value = span.span_id;
    const call = span.attributes['gen_ai.tool.call.id'];
    chosenCall.value = typeof call === 'string' ? call : undefined;
  };
  const fold = ({ span: { span_id: id } }: SpanNode): void => {
    const next = new Set(closed.value);
    if (!next.delete(id)) next.add(id);
    closed.value = next;
  };
  const onKey = (event: KeyboardEvent): void => {
    const at = all.findIndex(({ span }) => span.span_id === chosen.value);
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    const current = all[at];
    if (step !== undefined) {
      const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
      if (next !== undefined) choose(next);
    } else if ((event.key === 'ArrowLeft' || event.key === 'ArrowRight') && current !== undefined) {
      if (closed.value.has(current.span.span_id) === (event.key === 'ArrowRight')) fold(current);
    } else return;
    event.preventDefault();
  };
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-bar">
        <span>
          {all.length.toLocaleString('en-US')} spans, {duration((scale.endMs - scale.startMs) / 1000)}
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
      <div class="timeline-rows" ref={box} tabIndex={0} role="tree" aria-label="Spans" onKeyDown={onKey}>
        <div style={{ height: `${height}px` }} role="presentation">
          {visible.map(({ index, start }) => {
            const row = all[index];
            return (
              row && (
                <Row
                  key={row.span.span_id}
                  node={row}
                  top={start}
                  scale={scale}
                  isClosed={closed.value.has(row.span.span_id)}
                  isChosen={chosen.value === row.span.span_id}
                  onChoose={choose}
                  onFold={fold}
                />
              )
            );
          })}
        </div>
      </div>
      {node && (
        <SpanDetails
          node={node}
          onClose={() => {
            chosen.value = undefined;
          }}
        />
      )}
    </section>
  );
}

interface RowProps {
  readonly node: SpanNode;
  readonly top: number;
  readonly scale: TimeScale;
  readonly isClosed: boolean;
  readonly isChosen: boolean;
  onChoose(node: SpanNode): void;
  onFold(node: SpanNode): void;
}

function Row({ node, top, scale, isClosed, isChosen, onChoose, onFold }: RowProps): VNode {
  const { span, kind, label, depth, children, startMs, endMs } = node;
  const isOpen = endMs === undefined;
  const [from, to] = [scale.at(startMs), scale.at(endMs ?? scale.endMs)];
  const state = span.status === 'error' ? 'bad' : isOpen ? 'run' : 'ok';
  const hasChildren = children.length > 0;
  return (
    <div
      class={`span-row span-${kind}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={depth + 1}
      aria-selected={isChosen}
      aria-expanded={hasChildren ? !isClosed : undefined}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onChoose(node)}
      onDblClick={() => hasChildren && onFold(node)}
      onKeyDown={() => {}}
    >
      <span class="span-name" style={{ '--depth': Math.min(depth, 12) }}>
        {hasChildren ? (
          <button
            type="button"
            tabIndex={-1}
            class="fold"
            aria-label={isClosed ? `open ${label}` : `close ${label}`}
            onClick={(event) => {
              event.stopPropagation();
              onFold(node);
            }}
          >
            {isClosed ? '▸' : '▾'}
          </button>
        ) : (
          <span class="fold" />
        )}
        <small>{kind}</small> <span class="span-label">{label}</span>
        {(span.status === 'error' || (isClosed && node.hasError)) && (
          <span class="span-error" role="img" aria-label="failed">
            ✕
          </span>
        )}
      </span>
      <span class="span-lane">
        <span
          class={`span-bar span-bar-${state}${isOpen ? ' span-bar-open' : ''}`}
          style={{ left: `${from * 100}%`, width: `max(2px, ${(to - from) * 100}%)` }}
        />
        <span
          class={from > 0.7 ? 'span-time span-time-left' : 'span-time'}
          style={from > 0.7 ? { right: `${(1 - from) * 100}%` } : { left: `${to * 100}%` }}
        >
          {isOpen ? 'running' : duration((endMs - startMs) / 1000)}
        </span>
      </span>
    </div>
  );
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
