import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import type { TaskInput } from '../../../../client/api/shapes.ts';
import { read } from '../../data/api.ts';
import { useResource } from '../../data/resource.ts';
import { Pieces } from './content/cut-text.tsx';
import { Markdown } from './content/markdown-view.tsx';
import { cutText, shownText, sizeText } from './content/shown-text.ts';

const WORDS_MAX = 4_000;

/** What the person has written, before all that the agent did with it. */
export function PersonWords({ id }: { readonly id: string }): VNode | null {
  const { state } = useResource([id], (abort) =>
    read<TaskInput>(`/tasks/${encodeURIComponent(id)}/logs/input`, {}, abort),
  );
  const isWhole = useSignal(false);
  const input = state.value.value;
  if (input === undefined || typeof input.message !== 'string') return null;
  const { message, source_metadata: source } = input;
  const { user, url } = Object(source) as { readonly user?: unknown; readonly url?: unknown };
  const link = typeof url === 'string' && /^https?:\/\//i.test(url) ? url : undefined;
  const isLong = message.length > WORDS_MAX;
  return (
    <section class="person" aria-label="What was asked">
      <h2 class="person-name">
        {typeof user === 'string' ? shownText(user) : 'Asked'}
        {link !== undefined && (
          <a href={link} target="_blank" rel="noopener noreferrer">
            {shownText(link)}
          </a>
        )}
      </h2>
      {isWhole.value ? (
        <Pieces text={message} />
      ) : isLong ? (
        <div class="plain">{shownText(cutText(message, WORDS_MAX))}</div>
      ) : (
        <Markdown text={message} />
      )}
      {isLong && !isWhole.value && (
        <button
          type="button"
          onClick={() => {
            isWhole.value = true;
          }}
        >
          Show all ({sizeText(message.length)})
        </button>
      )}
    </section>
  );
}
