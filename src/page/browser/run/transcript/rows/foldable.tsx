import { useSignal } from '@preact/signals';
import type { ComponentChildren, VNode } from 'preact';
import { useContext } from 'preact/hooks';
import { InTranscript } from '../run-context.ts';

export interface FoldableProps {
  /** Under which it stays open when it is drawn again. */
  readonly id: string;
  /** Lines in it: a link to one of them opens it. */
  readonly numbers: readonly number[];
  readonly isOpen: boolean;
  readonly head: ComponentChildren;
  readonly class?: string;
  children(): ComponentChildren;
}

/** A row of one line that opens. What is in it is made only then. */
export function Foldable({ id, numbers, isOpen, head, class: name = '', children }: FoldableProps): VNode {
  const context = useContext(InTranscript);
  const again = useSignal(0);
  const target = context?.target.value;
  const isTarget = target !== undefined && numbers.includes(target);
  const open = again.value >= 0 && (context?.opened.get(id) ?? (isOpen || isTarget));
  const toggle = (): void => {
    context?.opened.set(id, !open);
    again.value += 1;
  };
  return (
    <div class={`foldable ${name}`}>
      <button type="button" class="fold-head" aria-expanded={open} onClick={toggle}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d={open ? 'M4 6l4 4 4-4' : 'M6 4l4 4-4 4'} />
        </svg>
        {head}
      </button>
      {open && <div class="fold-body">{children()}</div>}
    </div>
  );
}
