import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { isTyping } from '../../ui/keys.ts';

export interface TranscriptKeys {
  /** The box of the search. */
  readonly input: RefObject<HTMLInputElement | null>;
  toStart(): void;
  toEnd(): void;
  step(by: number): void;
}

/** Home and End for both ends, Ctrl+F and `/` for the search, `n` and `N` for what it has found. */
export function useTranscriptKeys(keys: TranscriptKeys): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const { input, toStart, toEnd, step } = current.current;
      const isFind = (event.ctrlKey || event.metaKey) && event.key === 'f';
      // Pressed again it opens the search of the browser.
      if (isFind && event.target === input.current) return;
      if (!isFind && isTyping(event)) return;
      const actions: Readonly<Record<string, () => void>> = {
        Home: toStart,
        End: toEnd,
        '/': () => input.current?.select(),
        n: () => step(1),
        N: () => step(-1),
      };
      const action = isFind ? actions['/'] : actions[event.key];
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}
