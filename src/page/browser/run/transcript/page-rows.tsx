import { Fragment, type VNode } from 'preact';
import { useContext, useMemo } from 'preact/hooks';
import { Guarded } from '../../ui/guarded.tsx';
import { shownText } from './content/shown-text.ts';
import { type LoadedPage, PAGE_LINES } from './line-pages.ts';
import { isSubAgent, nestedRows, type RowNode, type SubAgent } from './rows/sub-agents.ts';
import { Row } from './rows/transcript-row.tsx';
import { InTranscript, type TranscriptContext } from './run-context.ts';

/** Deeper ones are indented no further. */
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

function rowsView(index: number, page: LoadedPage, { pages, pairs }: TranscriptContext): VNode {
  const before =
    index === 0
      ? undefined
      : (pages
          .page(index - 1)
          .peek()
          ?.lines.at(-1) ?? page.lines[0]);
  return <Nodes nodes={nestedRows(page.lines, pairs, before)} depth={0} />;
}

function Nodes({ nodes, depth }: { readonly nodes: readonly RowNode[]; readonly depth: number }): VNode {
  return (
    <>
      {nodes.map((node) =>
        isSubAgent(node) ? (
          <SubAgentRows key={`s${node.first.number}`} subAgent={node} depth={depth + 1} isRest />
        ) : (
          <Fragment key={node.row.key}>
            <Guarded what={`Line ${(node.row.numbers[0] ?? 0) + 1}`}>
              <Row row={node.row} />
            </Guarded>
            {node.below.map((subAgent) => (
              <SubAgentRows key={`s${subAgent.first.number}`} subAgent={subAgent} depth={depth + 1} />
            ))}
          </Fragment>
        ),
      )}
    </>
  );
}

interface SubAgentRowsProps {
  readonly subAgent: SubAgent;
  readonly depth: number;
  /** Its call is not in this page. */
  readonly isRest?: boolean;
}

/** What a sub-agent said and did, as far as it is in this page. */
function SubAgentRows({ subAgent, depth, isRest = false }: SubAgentRowsProps): VNode {
  const context = useContext(InTranscript);
  const { parent, call, first, rows } = subAgent;
  const input = Object(call?.line.tool_input) as Readonly<Record<string, unknown>>;
  const kind = input.subagent_type ?? first.line.subagent_type;
  const name = [kind, input.description].filter((value) => typeof value === 'string').join(': ');
  const isFolded = context?.folded.value.has(parent) === true;
  const toggle = (): void => {
    if (context === undefined) return;
    const folded = new Set(context.folded.value);
    if (!folded.delete(parent)) folded.add(parent);
    context.folded.value = folded;
  };
  return (
    <div class={depth > DEPTH_MAX ? 'sub-agent sub-agent-deep' : 'sub-agent'}>
      <div class="sub-agent-bar">
        <button type="button" class="fold-head sub-agent-head" aria-expanded={!isFolded} onClick={toggle}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d={isFolded ? 'M6 4l4 4-4 4' : 'M4 6l4 4 4-4'} />
          </svg>
          <span>Sub-agent{name === '' ? '' : ` ${shownText(name.slice(0, 200))}`}</span>
        </button>
        {isRest && call !== undefined && (
          <a
            class="sub-agent-call"
            href={`${location.pathname}${location.search}#${call.line.event_id ?? `line-${call.number + 1}`}`}
          >
            goes on from line {(call.number + 1).toLocaleString('en-US')}
          </a>
        )}
      </div>
      {!isFolded && <Nodes nodes={rows} depth={depth} />}
    </div>
  );
}

/** Until it is loaded: the room that it takes. */
export function PagePlace({ index, height }: { readonly index: number; readonly height: number }): VNode {
  return (
    <div class="page-place" style={{ height: `${height}px` }}>
      <span>line {(index * PAGE_LINES + 1).toLocaleString('en-US')}</span>
    </div>
  );
}
