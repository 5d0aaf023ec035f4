import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { isTyping } from './keys.ts';

const KEYS = [
  ['/', 'search'],
  ['j, k', 'next and previous task or span'],
  ['Enter', 'open the chosen task'],
  ['Arrows', 'in the timeline: move, open and close'],
  ['Home, End', 'in the transcript: its beginning and its end'],
  ['n, N', 'in the transcript: next and previous hit'],
  ['Esc', 'close'],
  ['?', 'this list'],
] as const;

/** `?` shows the keys. */
export function Help(): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const show = (event: KeyboardEvent): void => {
      if (event.key !== '?' || isTyping(event)) return;
      event.preventDefault();
      if (dialog.current?.open === true) dialog.current.close();
      else dialog.current?.showModal();
    };
    addEventListener('keydown', show);
    return () => removeEventListener('keydown', show);
  }, []);
  return (
    <>
      <button
        type="button"
        class="icon"
        aria-label="Keys"
        title="Keys ( ? )"
        onClick={() => dialog.current?.showModal()}
      >
        ?
      </button>
      <dialog ref={dialog} class="help" aria-labelledby="help-title">
        <h2 id="help-title">Keys</h2>
        <dl>
          {KEYS.map(([key, what]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  );
}
