import type { Signal } from '@preact/signals';
import type { RefObject, VNode } from 'preact';
import { count } from '../../ui/format.ts';
import type { OutputSearch } from './search/output-search.ts';
import { OutputSearchBox } from './search/output-search-box.tsx';

export interface TranscriptBarProps {
  readonly total: number | undefined;
  /** Said for a moment: that a link was copied. */
  readonly notice: Signal<string>;
  readonly isLive: boolean;
  readonly isFollowing: Signal<boolean>;
  readonly search: OutputSearch;
  readonly hit: Signal<number>;
  readonly input: RefObject<HTMLInputElement | null>;
  onStep(by: number): void;
}

/** Search, the number of lines, and whether the end is followed. */
export function TranscriptBar({
  total,
  notice,
  isLive,
  isFollowing,
  search,
  hit,
  input,
  onStep,
}: TranscriptBarProps): VNode {
  const isOn = isFollowing.value;
  return (
    <div class="transcript-bar">
      <OutputSearchBox search={search} at={hit} input={input} onStep={onStep} />
      <span class="transcript-notice" role="status">
        {notice.value}
      </span>
      <span class="transcript-count">{total === undefined ? '' : count(total, 'line')}</span>
      <button
        type="button"
        aria-pressed={isOn}
        title={isOn ? 'Scroll up to pause' : 'Go to the end and stay there (End)'}
        onClick={() => {
          isFollowing.value = !isOn;
          if (!isOn) scrollTo(0, document.documentElement.scrollHeight);
        }}
      >
        {isOn ? (isLive ? 'Following' : 'At the end') : isLive ? 'Follow' : 'To the end'}
      </button>
    </div>
  );
}
