import type { CallPairs } from '../call-pairs.ts';
import type { LoadedLine } from '../loaded-line.ts';
import { attemptOf, rowsOf, type TranscriptRow } from '../transcript-rows.ts';

type Pairs = Pick<CallPairs, 'resultOf' | 'callOf' | 'parentOf'>;

/** The rows of one sub-agent in a page. */
export interface SubAgent {
  /** `tool_use_id` of the call that started it. */
  readonly parent: string;
  /** The call, where it is known. */
  readonly call: LoadedLine | undefined;
  readonly first: LoadedLine;
  readonly rows: readonly RowNode[];
}

/** A row, with the sub-agents that its call has started. */
export type RowNode = { readonly row: TranscriptRow; readonly below: readonly SubAgent[] } | SubAgent;

export function isSubAgent(node: RowNode): node is SubAgent {
  return 'parent' in node;
}

interface Group {
  readonly parent: string;
  readonly call: LoadedLine | undefined;
  readonly lines: [LoadedLine, ...LoadedLine[]];
}

/**
 * The rows of a page, each sub-agent below the call that started it. One whose call is in another page stands where its first
 * line is: lines stay in their page, whatever is loaded.
 */
export function nestedRows(
  lines: readonly LoadedLine[],
  pairs: Pairs,
  before?: LoadedLine,
): readonly RowNode[] {
  const own = lines.filter(({ line }) => typeof line.parent_tool_use_id !== 'string');
  const groups = groupsOf(lines, pairs);
  const here = new Set(lines.map(({ number }) => number));
  // A call has a lower number than the lines of its sub-agent: there are no circles.
  const nodesOf = (some: readonly LoadedLine[], last: LoadedLine | undefined): readonly RowNode[] =>
    rowsOf(some, pairs, last).map((row) => {
      const call = row.kind === 'tool' ? row.call?.number : undefined;
      const started = call === undefined ? [] : groups.filter((group) => group.call?.number === call);
      return { row, below: started.map(subAgentOf) };
    });
  const subAgentOf = ({ parent, call, lines: some }: Group): SubAgent => {
    const [first] = some;
    return { parent, call, first, rows: nodesOf(some, first) };
  };
  const nodes = [...nodesOf(own, before)];
  for (const group of groups) {
    if (group.call !== undefined && here.has(group.call.number)) continue;
    const subAgent = subAgentOf(group);
    const at = nodes.findIndex((node) => firstOf(node) > subAgent.first.number);
    nodes.splice(at < 0 ? nodes.length : at, 0, subAgent);
  }
  return nodes;
}

/** The lines of each sub-agent: several may speak at a time. An id may come again in another attempt. */
function groupsOf(lines: readonly LoadedLine[], pairs: Pairs): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const line of lines) {
    const { parent_tool_use_id: parent } = line.line;
    if (typeof parent !== 'string') continue;
    const call = pairs.parentOf(line);
    const key = call === undefined ? `${attemptOf(line)} ${parent}` : `@${call.number}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { parent, call, lines: [line] });
    else group.lines.push(line);
  }
  return [...groups.values()];
}

function firstOf(node: RowNode): number {
  return isSubAgent(node) ? node.first.number : (node.row.numbers[0] ?? Number.NEGATIVE_INFINITY);
}
