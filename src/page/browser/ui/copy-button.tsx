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
}): VNode | null {
  const isCopied = useSignal(false);
  // Browsers have it on this machine and over TLS only.
  if (!('clipboard' in navigator)) return null;
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
      {isCopied.value ? '✓' : (label ?? <CopyIcon />)}
      <span class="unseen" role="status">
        {isCopied.value ? 'copied' : ''}
      </span>
    </button>
  );
}

function CopyIcon(): VNode {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 5.5v-1.5a1.5 1.5 0 0 0-1.5-1.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" />
    </svg>
  );
}
