import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { cutText, shownText } from '../content/shown-text.ts';
import { diffHunks } from './line-diff.ts';
import type { FileEdit } from './tool-input.ts';

const SIGNS = { same: ' ', added: '+', removed: '-' } as const;
const WORDS = { same: '', added: 'added: ', removed: 'removed: ' } as const;

/** Lines of a diff that are shown. */
const LINES_MAX = 500;
const LINE_MAX = 2_000;

/** What an edit changes in a file. */
export function DiffView({ edit }: { readonly edit: FileEdit }): VNode {
  const hunks = useMemo(() => diffHunks(edit.before, edit.after), [edit.before, edit.after]);
  let left = LINES_MAX;
  const all = hunks.reduce((sum, { lines }) => sum + lines.length, 0);
  return (
    <figure class="diff">
      <figcaption>
        <span class="mono">{shownText(edit.path)}</span> <small>{edit.kind}</small>
      </figcaption>
      {hunks.length > 0 && (
        <div class="diff-lines">
          {hunks.map(({ skipped, lines }, at) => {
            const shown = lines.slice(0, Math.max(0, left));
            left -= lines.length;
            return (
              <div key={at}>
                {skipped > 0 && <div class="diff-skipped">{skipped} unchanged</div>}
                {shown.map(({ kind, text }, line) => (
                  <div key={line} class={`diff-line diff-${kind}`}>
                    <span aria-hidden="true">{SIGNS[kind]}</span>
                    <span>
                      <span class="unseen">{WORDS[kind]}</span>
                      {shownText(cutText(text, LINE_MAX))}
                    </span>
                  </div>
                ))}
              </div>
            );
          })}
          {all > LINES_MAX && <div class="diff-skipped">{all - LINES_MAX} more lines</div>}
        </div>
      )}
    </figure>
  );
}
