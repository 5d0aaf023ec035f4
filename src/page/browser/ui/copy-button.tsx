import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';

/** `what`: in words, for the label. */
export function CopyButton({
  text,
  what,
  label,
}: {
  readonly text: string;
  readonly what: string;
  readonly label?: string;
}): VNode {
  const isCopied = useSignal(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    isCopied.value = true;
    setTimeout(() => {
      isCopied.value = false;
    }, 1_500);
  };
  return (
    <button
      type="button"
      class={label === undefined ? 'copy icon' : 'copy'}
      aria-label={`Copy ${what}`}
      title={`Copy ${what}`}
      onClick={() => void copy()}
    >
      {isCopied.value ? '✓' : (label ?? '⧉')}
      <span class="unseen" role="status">
        {isCopied.value ? 'copied' : ''}
      </span>
    </button>
  );
}
