import type { ReadonlySignal } from '@preact/signals';
import type { VNode } from 'preact';
import { duration } from '../../ui/format.ts';
import { isPointedAt, type Pointed } from '../run-links.ts';
import { callOf, type SpanNode } from './span-tree.ts';
import type { TimeScale } from './time-scale.ts';

export interface SpanRowProps {
  readonly node: SpanNode;
  /** Pixels. */
  readonly top: number;
  readonly scale: TimeScale;
  readonly isClosed: boolean;
  readonly isChosen: boolean;
  readonly pointed: ReadonlySignal<Pointed | undefined>;
  onChoose(node: SpanNode): void;
  onFold(node: SpanNode): void;
  onPoint(node: SpanNode): void;
}

/** A span: its name, and its time as a bar. */
export function SpanRow(props: SpanRowProps): VNode {
  const { node, top, scale, isClosed, isChosen, pointed, onChoose, onFold, onPoint } = props;
  const { span, kind, depth, children, startMs, endMs, isLane = false } = node;
  const call = callOf(node);
  const isPointed = isPointedAt(pointed.value, { call, startMs, endMs: endMs ?? scale.endMs });
  const isOpen = endMs === undefined;
  const [from, to] = [scale.at(startMs), scale.at(endMs ?? scale.endMs)];
  const state = span.status === 'error' ? 'bad' : isOpen ? 'run' : 'ok';
  const hasChildren = children.length > 0;
  return (
    <div
      class={`span-row span-${kind}${isLane ? ' span-attempt-lane' : ''}${isPointed ? ' is-pointed' : ''}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={depth + 1}
      aria-selected={isChosen}
      aria-expanded={hasChildren ? !isClosed : undefined}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onChoose(node)}
      onDblClick={() => hasChildren && onFold(node)}
      onKeyDown={() => {}}
      onMouseEnter={() => onPoint(node)}
    >
      <SpanName node={node} isClosed={isClosed} onFold={onFold} />
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

function SpanName({ node, isClosed, onFold }: Pick<SpanRowProps, 'node' | 'isClosed' | 'onFold'>): VNode {
  const { span, kind, label, depth, children, hasError } = node;
  return (
    <span class="span-name" style={{ '--depth': Math.min(depth, 12) }}>
      {children.length > 0 ? (
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
      {kind !== 'attempt' && <small>{kind}</small>} <span class="span-label">{label}</span>
      {(span.status === 'error' || (isClosed && hasError)) && (
        <span class="span-error" role="img" aria-label="failed">
          ✕
        </span>
      )}
    </span>
  );
}
