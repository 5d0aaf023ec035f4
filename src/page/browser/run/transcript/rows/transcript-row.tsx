import type { VNode } from 'preact';
import { useContext } from 'preact/hooks';
import { exact } from '../../../ui/format.ts';
import { CutText } from '../content/cut-text.tsx';
import { Message } from '../content/markdown-view.tsx';
import { PictureView } from '../content/picture-view.tsx';
import { segmentView, useAnsi } from '../content/plain-text.tsx';
import { cutText, shownText } from '../content/shown-text.ts';
import { isCutLine, type LoadedLine } from '../loaded-line.ts';
import { InTranscript } from '../run-context.ts';
import type { TranscriptRow } from '../transcript-rows.ts';
import { Foldable } from './foldable.tsx';
import { ToolRow } from './tool-row.tsx';

/** One row of the transcript. */
export function Row({ row }: { readonly row: TranscriptRow }): VNode {
  switch (row.kind) {
    case 'attempt':
      return <h3 class="attempt">Attempt {row.attempt}</h3>;
    case 'terminal':
      return <Terminal lines={row.lines} />;
    case 'system':
      return <SystemLines lines={row.lines} numbers={row.numbers} />;
    case 'tool':
      return (
        <Timed line={row.call ?? row.result} numbers={row.numbers}>
          <ToolRow call={row.call} result={row.result} />
        </Timed>
      );
    case 'thinking':
      return (
        <Timed line={row.line} numbers={row.numbers}>
          <Thinking line={row.line} numbers={row.numbers} />
        </Timed>
      );
    case 'error':
      return (
        <Timed line={row.line} numbers={row.numbers}>
          <div class="failure">
            <strong>Error{typeName(row.line.line.error_type)}</strong>
            <CutText line={row.line} />
          </div>
        </Timed>
      );
    case 'result':
      return (
        <Timed line={row.line} numbers={row.numbers}>
          <div class="outcome">
            <strong>Result</strong>
            <Message line={row.line} />
          </div>
        </Timed>
      );
    default:
      return (
        <Timed line={row.line} numbers={row.numbers}>
          <Message line={row.line} />
        </Timed>
      );
  }
}

function typeName(type: unknown): string {
  return typeof type === 'string' && type !== '' ? `: ${type}` : '';
}

function Timed({
  line,
  numbers,
  children,
}: {
  readonly line: LoadedLine | undefined;
  readonly numbers: readonly number[];
  readonly children: VNode;
}): VNode {
  const target = useContext(InTranscript)?.target.value;
  const isTarget = target !== undefined && numbers.includes(target);
  return (
    <div class={isTarget ? 'line is-target' : 'line'} data-line={numbers.join(' ')}>
      {line === undefined ? <span /> : <LineTime line={line} />}
      <div class="line-body">
        {line?.line.sender !== undefined && <small class="sender">sent by {line.line.sender}</small>}
        {children}
      </div>
    </div>
  );
}

/** The time of a line is its permalink. */
function LineTime({ line: { line, number } }: { readonly line: LoadedLine }): VNode {
  const context = useContext(InTranscript);
  const time = exact(line.timestamp);
  return (
    <a
      class="line-time"
      href={`${location.pathname}${location.search}#${line.event_id ?? `line-${number + 1}`}`}
      title={`line ${number + 1}, ${time}: copy the link`}
      onClick={(event) => {
        event.preventDefault();
        context?.copyLink(number, line.event_id);
      }}
    >
      {time.slice(11, 19) || number + 1}
    </a>
  );
}

function Thinking({
  line,
  numbers,
}: {
  readonly line: LoadedLine;
  readonly numbers: readonly number[];
}): VNode {
  const first = firstWords(line.line.content);
  return (
    <Foldable
      id={`thinking-${line.number}`}
      numbers={numbers}
      isOpen={false}
      class="thinking"
      head={
        <>
          <span class="tool-name">Thinking</span>
          <span class="tool-summary">{first}</span>
        </>
      }
    >
      {() => <Message line={line} />}
    </Foldable>
  );
}

/** Output of a program: each line of it is a line. */
function Terminal({ lines }: { readonly lines: readonly LoadedLine[] }): VNode {
  const looks = useAnsi(lines.map(({ line }) => line.content.replace(/\n$/, '')));
  const target = useContext(InTranscript)?.target.value;
  return (
    <div class="terminal">
      {lines.map((line, at) => {
        const isError = line.line.stream === 'stderr';
        return (
          <div
            key={line.number}
            class={`line ${isError ? 'is-stderr' : ''} ${line.number === target ? 'is-target' : ''}`}
            data-line={line.number}
          >
            <LineTime line={line} />
            <div class="line-body">
              {isError && <span class="stderr">stderr</span>}
              {isCutLine(line) ? (
                <CutText line={line} />
              ) : (
                <pre class="plain">{looks[at]?.map(segmentView)}</pre>
              )}
            </div>
          </div>
        );
      })}
    </div>
  );
}

/** What the agent says of itself: one quiet row for those that follow each other. */
function SystemLines({
  lines,
  numbers,
}: {
  readonly lines: readonly LoadedLine[];
  readonly numbers: readonly number[];
}): VNode {
  const target = useContext(InTranscript)?.target.value;
  const [first] = lines;
  const names = [...new Set(lines.map(nameOf))];
  const pictures = lines.flatMap((line) => line.pictures);
  const isNotice = lines.some(({ line }) => line.level === 'warning' || line.budget !== undefined);
  return (
    <Timed line={first} numbers={numbers}>
      <Foldable
        id={`system-${first?.number ?? 0}`}
        numbers={numbers}
        isOpen={pictures.length > 0 || isNotice}
        class={isNotice ? 'system is-notice' : 'system'}
        head={
          <>
            <span class="tool-summary">{names.join(', ')}</span>
            {lines.length > 1 && <span class="tool-state">{lines.length} lines</span>}
          </>
        }
      >
        {() =>
          lines.map((line) => (
            <div key={line.number} class={line.number === target ? 'is-target' : ''}>
              {line.line.content !== '' && <CutText line={line} />}
              {line.pictures.map((picture, at) => (
                <PictureView key={at} picture={picture} />
              ))}
            </div>
          ))
        }
      </Foldable>
    </Timed>
  );
}

function nameOf({ line }: LoadedLine): string {
  const named = [line.subtype, line.message_type, line.event, line.block_type].find(
    (value) => typeof value === 'string' && value !== '',
  );
  return named === undefined ? firstWords(line.content) || 'system' : shownText(cutText(String(named), 60));
}

function firstWords(text: string): string {
  return shownText(text.slice(0, 400).replace(/\s+/g, ' ').trim().slice(0, 160));
}
