import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useContext } from 'preact/hooks';
import { isCutLine, type LoadedLine } from '../loaded-line.ts';
import { InTranscript } from '../run-context.ts';
import { PlainText } from './plain-text.tsx';
import { piecesOf, sizeText } from './shown-text.ts';

/** The text of a line as a terminal shows it. A long one is loaded as a whole when that is asked for. */
export function CutText({ line }: { readonly line: LoadedLine }): VNode {
  const context = useContext(InTranscript);
  const whole = useSignal<string | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const show = async (): Promise<void> => {
    try {
      whole.value = (await context?.pages.whole(line.number))?.content ?? '';
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    }
  };
  if (whole.value !== undefined) return <Pieces text={whole.value} />;
  return (
    <>
      <PlainText text={line.line.content} />
      {isCutLine(line) && (
        <p class="cut">
          <button type="button" onClick={() => void show()}>
            Show all ({sizeText(line.length)})
          </button>
          {problem.value !== undefined && <span role="alert"> {problem.value}</span>}
        </p>
      )}
      {line.line.truncated === true && <Truncated line={line} />}
    </>
  );
}

function Truncated({ line }: { readonly line: LoadedLine }): VNode {
  const bytes = line.line.original_bytes;
  return (
    <p class="cut">
      Recorded up to 1 MiB{typeof bytes === 'number' && <> of {sizeText(bytes)}</>}: the rest was not kept.
    </p>
  );
}

/** Each piece is laid out only when it is seen. */
export function Pieces({ text }: { readonly text: string }): VNode {
  return (
    <>
      {piecesOf(text).map((piece, at) => (
        <div key={at} class="piece">
          <PlainText text={piece} />
        </div>
      ))}
    </>
  );
}
