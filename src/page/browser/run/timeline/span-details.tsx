import type { VNode } from 'preact';
import { duration, exact, valueText } from '../../ui/format.ts';
import type { SpanNode } from './span-tree.ts';

/** The attributes and events of the chosen span. */
export function SpanDetails({ node, onClose }: { readonly node: SpanNode; onClose(): void }): VNode {
  const { span, startMs, endMs } = node;
  const attributes = Object.entries(span.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <aside class="span-details" aria-label={`Span ${span.name}`}>
      <header>
        <h2>{span.name}</h2>
        <button type="button" class="icon" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </header>
      <dl>
        <dt>Started</dt>
        <dd>{exact(span.start_time)}</dd>
        <dt>Took</dt>
        <dd>{endMs === undefined ? 'still open' : duration((endMs - startMs) / 1000)}</dd>
        <dt>Status</dt>
        <dd>
          {span.status_message === null || span.status_message === ''
            ? span.status
            : `${span.status}: ${span.status_message}`}
        </dd>
        <dt>Service</dt>
        <dd>{typeof span.service === 'string' ? span.service : ''}</dd>
        {attributes.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{valueText(value)}</dd>
          </>
        ))}
        <dt>Span</dt>
        <dd class="mono">{span.span_id}</dd>
        <dt>Trace</dt>
        <dd class="mono">{span.trace_id}</dd>
      </dl>
    </aside>
  );
}
