import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useContext, useMemo } from 'preact/hooks';
import { duration } from '../../../ui/format.ts';
import { CutText, Pieces } from '../content/cut-text.tsx';
import { PictureView } from '../content/picture-view.tsx';
import { PlainText } from '../content/plain-text.tsx';
import { shownText } from '../content/shown-text.ts';
import type { LoadedLine } from '../loaded-line.ts';
import { InTranscript } from '../run-context.ts';
import { DiffView } from './diff-view.tsx';
import { Foldable } from './foldable.tsx';
import { commandOf, editsOf, summaryOf } from './tool-input.ts';

export interface ToolRowProps {
  readonly call: LoadedLine | undefined;
  readonly result: LoadedLine | undefined;
}

/** Changes that are shown without a click. */
const OPEN_CHARACTERS = 1_500;

/** A call of a tool with its result, as one row. */
export function ToolRow({ call, result }: ToolRowProps): VNode {
  const context = useContext(InTranscript);
  const input = call?.line.tool_input;
  const edits = useMemo(() => editsOf(input), [input]);
  const summary = useMemo(() => summaryOf(input), [input]);
  const isFailed = result?.line.is_error === true;
  const hasPictures = result !== undefined && result.pictures.length > 0;
  const size = edits.reduce((sum, { before, after }) => sum + before.length + after.length, 0);
  const lines = [call, result].filter((line) => line !== undefined);
  const name = call?.line.tool_name ?? result?.line.tool_name ?? 'tool';
  return (
    <Foldable
      id={`tool-${lines[0]?.number ?? 0}`}
      numbers={lines.map(({ number }) => number)}
      isOpen={isFailed || hasPictures || (edits.length > 0 && size < OPEN_CHARACTERS)}
      class={isFailed ? 'tool is-failed' : 'tool'}
      head={
        <>
          <span class="tool-name">{shownText(name)}</span>
          <span class="tool-summary">{shownText(summary)}</span>
          <ToolState call={call} result={result} isLive={context?.isLive === true} />
        </>
      }
    >
      {() => (
        <>
          {call !== undefined && <ToolInput call={call} />}
          {edits.map((edit, at) => (
            <DiffView key={at} edit={edit} />
          ))}
          {result !== undefined && <ToolResult result={result} />}
          {call === undefined && <p class="cut">The call of this result was not found near it.</p>}
        </>
      )}
    </Foldable>
  );
}

function ToolState({ call, result, isLive }: ToolRowProps & { readonly isLive: boolean }): VNode | null {
  if (result === undefined) {
    if (isLive) return <span class="tool-state is-running">running</span>;
    return <span class="tool-state">no result</span>;
  }
  const seconds =
    call === undefined
      ? Number.NaN
      : (Date.parse(result.line.timestamp) - Date.parse(call.line.timestamp)) / 1000;
  const time = Number.isFinite(seconds) && seconds >= 0 ? duration(seconds) : '';
  if (result.line.is_error === true) return <span class="tool-state is-bad">failed {time}</span>;
  return <span class="tool-state">{time}</span>;
}

function ToolInput({ call }: { readonly call: LoadedLine }): VNode | null {
  const input = call.line.tool_input;
  const command = commandOf(input);
  const context = useContext(InTranscript);
  const whole = useSignal<string | undefined>(undefined);
  const show = async (): Promise<void> => {
    const line = await context?.pages.whole(call.number);
    whole.value = JSON.stringify(line?.tool_input, null, 2);
  };
  if (whole.value !== undefined) return <Pieces text={whole.value} />;
  const all = call.isInputCut && (
    <p class="cut">
      <button type="button" onClick={() => void show()}>
        Show all of the input
      </button>
    </p>
  );
  if (command !== undefined && editsOf(input).length === 0)
    return (
      <>
        <div class="command">
          <PlainText text={command} />
        </div>
        {all}
      </>
    );
  const rest = restOf(input);
  return (
    <>
      {rest !== undefined && (
        <div class="tool-input">
          <PlainText text={rest} />
        </div>
      )}
      {all}
    </>
  );
}

/** Arguments that a diff does not show. */
const IN_DIFF =
  /^(?:file_?path|path|notebook_path|(?:old|new)_?(?:string|str|source)|content|file_text|edits|changes|input|patch|patchText|command)$/i;

function restOf(input: unknown): string | undefined {
  if (input === undefined || input === null) return undefined;
  if (typeof input !== 'object' || Array.isArray(input)) return JSON.stringify(input, null, 2);
  const hasDiff = editsOf(input).length > 0;
  const rest = Object.entries(input).filter(([name]) => !hasDiff || !IN_DIFF.test(name));
  if (rest.length === 0) return undefined;
  return rest
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}`)
    .join('\n');
}

function ToolResult({ result }: { readonly result: LoadedLine }): VNode {
  const isFailed = result.line.is_error === true;
  return (
    <div class={isFailed ? 'tool-result is-failed' : 'tool-result'}>
      {result.line.content === '' && result.pictures.length === 0 ? (
        <p class="cut">no output</p>
      ) : (
        result.line.content !== '' && <CutText line={result} />
      )}
      {result.pictures.map((picture, at) => (
        <PictureView key={at} picture={picture} />
      ))}
    </div>
  );
}
