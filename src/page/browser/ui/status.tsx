import type { VNode } from 'preact';
import { known } from '../data/known.ts';

/** A status is told by its form and its word, not by its colour alone. */
const ICONS: Readonly<Record<string, string>> = {
  queued: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3Z',
  running: 'M8 3a5 5 0 0 1 5 5',
  waiting: 'M6 4.5v7M10 4.5v7',
  waiting_input: 'M6 4.5v7M10 4.5v7',
  completed: 'M3.5 8.5 6.7 11.5 12.5 5',
  failed: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  cancelled: 'M4 12 12 4M8 2.8a5.2 5.2 0 1 1 0 10.4A5.2 5.2 0 0 1 8 2.8Z',
  abandoned: 'M8 3.5v5.2M8 11.6v.9',
  success: 'M3.5 8.5 6.7 11.5 12.5 5',
  failure: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
};

const WORDS: Readonly<Record<string, string>> = { waiting_input: 'waiting' };

export interface StatusProps {
  readonly status: string;
  /** Instead of the status itself. */
  readonly word?: string;
  /** Without the word, which is then the title. */
  readonly isShort?: boolean;
}

export function Status({
  status,
  word = known(WORDS, status) ?? status,
  isShort = false,
}: StatusProps): VNode {
  const icon = known(ICONS, status);
  return (
    <span class={`status status-${icon === undefined ? 'other' : status}`} title={isShort ? word : undefined}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d={icon ?? 'M4 8h8'} />
      </svg>
      <span class={isShort ? 'unseen' : undefined}>{word}</span>
    </span>
  );
}
