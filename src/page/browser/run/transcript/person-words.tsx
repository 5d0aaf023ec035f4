import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import type { TaskInput } from '../../../../client/api/shapes.ts';
import { Pieces } from './content/cut-text.tsx';
import { Markdown } from './content/markdown-view.tsx';
import { cutText, shownText, sizeText } from './content/shown-text.ts';

const WORDS_MAX = 4_000;

/** What the person has written, before all that the agent did with it. */
export function PersonWords({ input }: { readonly input: TaskInput }): VNode | null {
  const isWhole = useSignal(false);
  const { message, source_metadata: source } = input;
  const { user, url } = Object(source) as { readonly user?: unknown; readonly url?: unknown };
  const link = typeof url === 'string' && /^https?:\/\//i.test(url) ? url : undefined;
  if (typeof message !== 'string') return null;
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
