import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import type { RefObject, VNode } from 'preact';
import { count } from '../../../ui/format.ts';
import type { OutputSearch } from './output-search.ts';

export interface OutputSearchBoxProps {
  readonly search: OutputSearch;
  /** Which hit is shown, from 0; -1 before the first one. */
  readonly at: Signal<number>;
  readonly input: RefObject<HTMLInputElement | null>;
  onStep(by: number): void;
}

/** Typed letters are searched when the fingers rest. */
const REST_MS = 350;

/** Finds words in the whole output. */
export function OutputSearchBox({ search, at, input, onStep }: OutputSearchBoxProps): VNode {
  const text = useSignal('');
  useSignalEffect(() => {
    const words = text.value.trim();
    const timer = setTimeout(() => {
      if (words === search.words.peek()) return;
      at.value = -1;
      search.start(words);
    }, REST_MS);
    return () => clearTimeout(timer);
  });
  const hasWords = search.words.value !== '';
  return (
    <form
      class="output-search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onStep(1);
      }}
    >
      <label class="unseen" for="output-search">
        Search in this run
      </label>
      <input
        id="output-search"
        ref={input}
        type="search"
        autocomplete="off"
        spellcheck={false}
        placeholder="Search in this run"
        title="Ctrl+F; n and N go to the next and the previous one"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          text.value = '';
          event.currentTarget.blur();
        }}
      />
      {hasWords && (
        <>
          <span class="output-search-count" role="status">
            <Found search={search} at={at.value} />
          </span>
          {search.isRunning.value && (
            <button type="button" onClick={() => search.cancel()}>
              Stop
            </button>
          )}
          <button type="button" class="icon" aria-label="Previous one (N)" onClick={() => onStep(-1)}>
            ↑
          </button>
          <button type="button" class="icon" aria-label="Next one (n)" onClick={() => onStep(1)}>
            ↓
          </button>
        </>
      )}
    </form>
  );
}

function Found({ search, at }: { readonly search: OutputSearch; readonly at: number }): VNode {
  const error = search.error.value;
  if (error !== undefined) return <>{error.message}</>;
  const hits = search.hits.value.length;
  const more = search.isFull ? '+' : '';
  const found =
    at >= 0 && hits > 0
      ? `${at + 1} of ${hits.toLocaleString('en-US')}${more}`
      : `${count(hits, 'line')}${more}`;
  const { value: total } = search.total;
  const part =
    search.isRunning.value && total > 0 ? `, ${Math.floor((search.done.value / total) * 100)} %` : '';
  return (
    <>
      {found}
      {part}
    </>
  );
}
