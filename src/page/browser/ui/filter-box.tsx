import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';

export interface FilterBoxProps {
  readonly q: string;
  readonly placeholder: string;
  onSearch(q: string): void;
}

/** A query that is sent with Enter. */
export function FilterBox({ q, placeholder, onSearch }: FilterBoxProps): VNode {
  const text = useSignal(q);
  useEffect(() => {
    text.value = q;
  }, [q]);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch(text.value.trim());
      }}
    >
      <label class="unseen" for="filter">
        Search
      </label>
      <input
        id="filter"
        type="search"
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
    </form>
  );
}
