import type { VNode } from 'preact';
import { useContext, useMemo } from 'preact/hooks';
import { Guarded } from '../../ui/guarded.tsx';
import { shownText } from './content/shown-text.ts';
import { type LoadedPage, PAGE_LINES } from './line-pages.ts';
import { Row } from './rows/transcript-row.tsx';
import { InTranscript, type TranscriptContext } from './run-context.ts';
import { rowsOf, type TranscriptRow } from './transcript-rows.ts';

const DEPTH_MAX = 4;

export interface PageRowsProps {
  readonly index: number;
  readonly page: LoadedPage;
  readonly isLive: boolean;
}

/** The rows of one page. While the window scrolls they are the same, and nothing of them is compared. */
export function PageRows({ index, page, isLive }: PageRowsProps): VNode {
  const context = useContext(InTranscript);
  // Calls and results of other pages come and go.
  const joined = context?.pages.joined.value;
  const folded = context?.folded.value;
  return useMemo(
    () => (context === undefined ? <div /> : rowsView(index, page, context)),
    [page, joined, folded, isLive],
  );
}

function rowsView(index: number, page: LoadedPage, context: TranscriptContext): VNode {
  const { pages, pairs, folded } = context;
  const before =
    index === 0
      ? undefined
      : (pages
          .page(index - 1)
          .peek()
          ?.lines.at(-1) ?? page.lines[0]);
  let last: string | undefined;
  return (
    <>
      {rowsOf(page.lines, pairs, before).map((row) => {
        const isFirst = row.parent !== last;
        // A quiet line of the main agent in between is no end of a sub-agent's part.
        if (row.kind !== 'system' || row.parent !== undefined) last = row.parent;
        const guarded = (
          <Guarded key={row.key} what={`Line ${(row.numbers[0] ?? 0) + 1}`}>
            <Row row={row} />
          </Guarded>
        );
        if (row.parent === undefined) return guarded;
        const isFolded = folded.peek().has(row.parent);
        return (
          <div key={row.key} class="sub-agent" style={{ '--depth': depthOf(row, page, context) }}>
            {isFirst && <SubAgentHead parent={row.parent} row={row} page={page} />}
            {!isFolded && guarded}
          </div>
        );
      })}
    </>
  );
}

function SubAgentHead({
  parent,
  row,
  page,
}: {
  readonly parent: string;
  readonly row: TranscriptRow;
  readonly page: LoadedPage;
}): VNode {
  const context = useContext(InTranscript);
  const line = page.lines.find(({ number }) => number === row.numbers[0]);
  const call = line === undefined ? undefined : context?.pairs.parentOf(line);
  const input = Object(call?.line.tool_input) as Readonly<Record<string, unknown>>;
  const kind = input.subagent_type ?? line?.line.subagent_type;
  const name = [kind, input.description].filter((value) => typeof value === 'string').join(': ');
  const isFolded = context?.folded.value.has(parent) === true;
  const toggle = (): void => {
    if (context === undefined) return;
    const folded = new Set(context.folded.value);
    if (!folded.delete(parent)) folded.add(parent);
    context.folded.value = folded;
  };
  return (
    <button type="button" class="fold-head sub-agent-head" aria-expanded={!isFolded} onClick={toggle}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d={isFolded ? 'M6 4l4 4-4 4' : 'M4 6l4 4 4-4'} />
      </svg>
      Sub-agent{name === '' ? '' : ` ${shownText(name.slice(0, 200))}`}
    </button>
  );
}

/** How many sub-agents are around a row, as far as their calls are loaded. */
function depthOf(row: TranscriptRow, page: LoadedPage, { pairs }: TranscriptContext): number {
  let line = page.lines.find(({ number }) => number === row.numbers[0]);
  let depth = 0;
  while (line !== undefined && depth < DEPTH_MAX) {
    if (typeof line.line.parent_tool_use_id !== 'string') break;
    depth += 1;
    line = pairs.parentOf(line);
  }
  return Math.max(depth, 1);
}

/** Until it is loaded: the room that it takes. */
export function PagePlace({ index, height }: { readonly index: number; readonly height: number }): VNode {
  return (
    <div class="page-place" style={{ height: `${height}px` }}>
      <span>line {(index * PAGE_LINES + 1).toLocaleString('en-US')}</span>
    </div>
  );
}
