import { useSignal, useSignalEffect } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export interface SearchBoxProps {
  readonly q: string;
  onSearch(q: string, replace?: boolean): void;
}

/** Typed letters are searched when the fingers rest. */
const REST_MS = 250;

export function SearchBox({ q, onSearch }: SearchBoxProps): VNode {
  const text = useSignal(q);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // A facet or the history has changed the query.
    text.value = q;
  }, [q]);
  useSignalEffect(() => {
    const wanted = text.value.trim();
    const timer = setTimeout(() => {
      if (wanted !== q) onSearch(wanted, true);
    }, REST_MS);
    return () => clearTimeout(timer);
  });
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (event.key !== '/' || isTyping) return;
      event.preventDefault();
      input.current?.select();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch(text.value.trim());
      }}
    >
      <label class="unseen" for="q">
        Search
      </label>
      <input
        id="q"
        ref={input}
        type="search"
        autocomplete="off"
        spellcheck={false}
        placeholder="words, &quot;a phrase&quot;, status:failed, cost:>0.5, repo:acme/*  ( / )"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
    </form>
  );
}
