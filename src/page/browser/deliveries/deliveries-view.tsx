import type { VNode } from 'preact';
import type { Delivery } from '../../../client/api/shapes.ts';
import { known } from '../data/known.ts';
import { usePaged } from '../data/paged.ts';
import { go, href, place } from '../data/route.ts';
import { FilterBox } from '../ui/filter-box.tsx';
import { Guarded } from '../ui/guarded.tsx';
import { MoreButton } from '../ui/more-button.tsx';
import { Empty } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';
import { adviceOf } from './advice.ts';

const OUTCOMES = ['', 'accepted', 'unmatched', 'rejected', 'duplicate'] as const;

/** The form of an outcome, as that of a status. */
const FORMS: Readonly<Record<string, string>> = {
  accepted: 'completed',
  rejected: 'failed',
  duplicate: 'cancelled',
  unmatched: 'queued',
};

export function DeliveriesView(): VNode {
  const { query } = place.value;
  const [q, outcome] = [query.get('q') ?? '', query.get('outcome') ?? ''];
  const list = usePaged<Delivery>('/webhooks', { q, outcome });
  const items = list.items.value;
  return (
    <>
      <h1>Deliveries of webhooks</h1>
      <p class="lead">Every delivery, also those that started nothing, with the reason.</p>
      <FilterBox
        q={q}
        placeholder="words, provider:github, outcome:rejected, reason:…"
        onSearch={(next) => go(href('/deliveries', { q: next, outcome }))}
      />
      <nav class="choices" aria-label="Outcome">
        {OUTCOMES.map((one) => (
          <a
            key={one}
            href={href('/deliveries', { q, outcome: one })}
            aria-current={one === outcome ? 'true' : undefined}
          >
            {one === '' ? 'all' : one}
          </a>
        ))}
      </nav>
      {items.length === 0 && !list.isLoading.value && list.error.value === undefined && (
        <Empty title={q === '' && outcome === '' ? 'No delivery has arrived' : 'No delivery is like that'}>
          <p>
            Send webhooks to <code>{`${location.origin}/webhooks/github`}</code>, <code>/jira</code> or{' '}
            <code>/slack</code>. If a sender says that it has sent one, check its address and the proxy.
          </p>
        </Empty>
      )}
      <ul class="cards">
        {items.map((delivery) => (
          <Guarded key={delivery.event_id} what={`Delivery ${delivery.event_id}`}>
            <Row delivery={delivery} />
          </Guarded>
        ))}
      </ul>
      <MoreButton list={list} />
    </>
  );
}

function Row({ delivery }: { readonly delivery: Delivery }): VNode {
  const {
    provider,
    outcome,
    event_type: event,
    delivery_id: id,
    task_ids: ids,
    reason,
    count,
    tries,
  } = delivery;
  const { sentence, todo } = adviceOf(delivery);
  return (
    <li class="card">
      <div class="card-head">
        <Status status={known(FORMS, outcome) ?? outcome} word={outcome} />
        <strong>{provider}</strong>
        <span>{event ?? ''}</span>
        {count !== undefined && count > 1 && <small>{count} times</small>}
        {tries !== undefined && <small>try {tries}</small>}
        {delivery.sender !== undefined && <small class="doubt">said by {delivery.sender}</small>}
        <span class="card-when">
          <Ago at={delivery.timestamp} />
        </span>
      </div>
      <p>
        {sentence} {todo !== undefined && <span class="todo">{todo}</span>}
      </p>
      <p class="card-more">
        {ids.slice(0, 10).map((task) => (
          <a key={task} href={href(`/tasks/${encodeURIComponent(task)}`)}>
            {task}
          </a>
        ))}
        {reason !== null && reason !== sentence && <code>{reason}</code>}
        {id !== null && <span class="mono">{id}</span>}
      </p>
    </li>
  );
}
