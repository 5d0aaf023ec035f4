import { useSignal, useSignalEffect } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { isTyping } from '../ui/keys.ts';
import { completed, lastPart, type Suggestion, suggest } from './completion.ts';
import { findPasted } from './find-pasted.ts';
import { type Pasted, pastedIn } from './pasted.ts';

export interface SearchBoxProps {
  readonly q: string;
  onSearch(q: string, replace?: boolean): void;
  /** Where what was pasted is: a task, or a list of them. */
  onFound(address: string): void;
}

/** Typed letters are searched when the fingers rest. */
const REST_MS = 250;

/** The query, with fields and values to choose from: a combobox (WAI-ARIA 1.2). */
export function SearchBox({ q, onSearch, onFound }: SearchBoxProps): VNode {
  const text = useSignal(q);
  const list = useSignal<readonly Suggestion[]>([]);
  const chosen = useSignal(-1);
  const isSuggesting = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  /** What was pasted is looked up: until then its text is no query. */
  const finding = useSignal<AbortController | undefined>(undefined);
  /** The query that was searched while more was typed: it takes no letter away. */
  const sent = useRef(q);
  useEffect(() => {
    // A facet or the history has changed the query.
    if (q !== sent.current && text.value.trim() !== q) text.value = q;
    sent.current = q;
  }, [q]);
  useSignalEffect(() => {
    const wanted = text.value.trim();
    // A value that is half typed finds nothing yet.
    const last = lastPart(text.value);
    const isHalf =
      last.endsWith(':') || (last.includes(':') && (isSuggesting.value || list.value.length > 0));
    const timer = setTimeout(() => {
      if (wanted === q || isHalf || finding.value !== undefined) return;
      sent.current = wanted;
      onSearch(wanted, true);
    }, REST_MS);
    return () => clearTimeout(timer);
  });
  useSignalEffect(() => {
    const typed = text.value;
    const abort = new AbortController();
    isSuggesting.value = document.activeElement === input.current;
    if (document.activeElement === input.current) {
      suggest(typed, abort.signal).then(
        (found) => {
          if (abort.signal.aborted) return;
          isSuggesting.value = false;
          list.value = found;
          chosen.value = -1;
        },
        () => {
          if (abort.signal.aborted) return;
          // Without suggestions the query works as well.
          isSuggesting.value = false;
          list.value = [];
        },
      );
    }
    return () => abort.abort();
  });
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      if (event.key !== '/' || isTyping(event)) return;
      event.preventDefault();
      input.current?.select();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  const choose = (suggestion: Suggestion): void => {
    text.value = completed(text.value, suggestion);
    input.current?.focus();
  };
  const close = (): void => {
    list.value = [];
    chosen.value = -1;
  };
  // Who has left the list meanwhile is not brought to the task.
  useEffect(() => () => finding.peek()?.abort(), []);
  const find = (pasted: Pasted): void => {
    close();
    finding.value?.abort();
    const abort = new AbortController();
    finding.value = abort;
    findPasted(pasted, abort.signal).then(
      (address) => {
        if (abort.signal.aborted) return;
        finding.value = undefined;
        text.value = new URL(address, location.origin).searchParams.get('q') ?? text.value;
        onFound(address);
      },
      () => {
        if (abort.signal.aborted) return;
        finding.value = undefined;
        // The list says what is wrong.
        onSearch(text.value.trim());
      },
    );
  };
  const write = (typed: string, isPasted: boolean): void => {
    finding.value?.abort();
    finding.value = undefined;
    const pasted = isPasted ? pastedIn(typed, location.origin) : undefined;
    text.value = typed;
    if (pasted !== undefined) find(pasted);
  };
  const onKey = (event: KeyboardEvent): void => {
    const all = list.value;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === 'Escape') {
      if (all.length > 0) event.preventDefault();
      close();
    } else if (step !== undefined && all.length > 0) {
      chosen.value = (chosen.value + step + all.length) % all.length;
      event.preventDefault();
    } else if (event.key === 'Tab' || event.key === 'Enter') {
      const suggestion = all[chosen.value];
      if (suggestion === undefined) return;
      choose(suggestion);
      event.preventDefault();
    }
  };
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        close();
        const pasted = pastedIn(text.value, location.origin);
        if (pasted === undefined) onSearch(text.value.trim());
        else find(pasted);
      }}
    >
      <label class="unseen" for="q">
        Search tasks
      </label>
      <input
        id="q"
        ref={input}
        type="search"
        autocomplete="off"
        spellcheck={false}
        role="combobox"
        list={undefined}
        aria-expanded={list.value.length > 0}
        aria-controls="q-list"
        aria-autocomplete="list"
        aria-activedescendant={chosen.value < 0 ? undefined : `q-${chosen.value}`}
        placeholder='words, "a phrase", status:failed, cost:>0.5, repo:acme/*  ( / )'
        value={text.value}
        onInput={(event) => write(event.currentTarget.value, event.inputType === 'insertFromPaste')}
        onKeyDown={onKey}
        onBlur={close}
      />
      <div
        id="q-list"
        role="listbox"
        aria-label="Suggestions"
        class="suggestions"
        hidden={list.value.length === 0}
      >
        {list.value.map((suggestion, at) => (
          <div
            key={suggestion.text}
            id={`q-${at}`}
            role="option"
            tabIndex={-1}
            aria-selected={at === chosen.value}
            onMouseDown={(event) => {
              event.preventDefault();
              choose(suggestion);
            }}
          >
            <span class="mono">{suggestion.text}</span> <small>{suggestion.about}</small>
          </div>
        ))}
      </div>
    </form>
  );
}
