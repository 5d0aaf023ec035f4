import type { Signal } from '@preact/signals';
import { type Context, createContext } from 'preact';
import type { CallPairs } from './call-pairs.ts';
import type { LinePages } from './line-pages.ts';

/** What the rows of a transcript share. */
export interface TranscriptContext {
  readonly pages: LinePages;
  readonly pairs: CallPairs;
  /** Rows that were opened or closed by hand, by key: they stay so when they are drawn again. */
  readonly opened: Map<string, boolean>;
  /** The line that a link or the search shows: its row is open. */
  readonly target: Signal<number | undefined>;
  /** Sub-agents whose rows are hidden, by the id of their call. */
  readonly folded: Signal<ReadonlySet<string>>;
  /** Whether more is expected: a call without a result still runs. */
  readonly isLive: boolean;
  /** Sets the address of the page to a line, and copies it. */
  copyLink(number: number, id: string | undefined): void;
}

export const InTranscript: Context<TranscriptContext | undefined> = createContext<
  TranscriptContext | undefined
>(undefined);
