import { expect, test } from 'vitest';
import type { OutputLine } from '../../../../../../src/client/api/shapes.ts';
import { CallPairs } from '../../../../../../src/page/browser/run/transcript/call-pairs.ts';
import { loadedLine } from '../../../../../../src/page/browser/run/transcript/loaded-line.ts';
import {
  isSubAgent,
  nestedRows,
  type RowNode,
} from '../../../../../../src/page/browser/run/transcript/rows/sub-agents.ts';

type Line = Partial<OutputLine>;

const call = (id: string, parent?: string): Line => ({
  type: 'tool_call',
  tool_use_id: id,
  tool_name: 'Agent',
  ...(parent !== undefined && { parent_tool_use_id: parent }),
});
const say = (content: string, parent?: string, more: Line = {}): Line => ({
  content,
  ...more,
  ...(parent !== undefined && { parent_tool_use_id: parent }),
});

function nested(lines: readonly Line[], first = 0, pairs = new CallPairs()): unknown {
  const loaded = lines.map((line, at) =>
    loadedLine({ timestamp: '2026-01-02T03:04:05Z', type: 'output', content: '', ...line }, first + at),
  );
  pairs.add(loaded);
  const shown = (nodes: readonly RowNode[]): unknown[] =>
    nodes.flatMap((node) =>
      isSubAgent(node)
        ? [{ [node.parent]: shown(node.rows) }]
        : [node.row.numbers.join(' '), ...node.below.map(({ parent, rows }) => ({ [parent]: shown(rows) }))],
    );
  return shown(nestedRows(loaded, pairs));
}

test('two sub-agents that speak at a time stand each below its call', () => {
  const lines = [call('a'), call('b'), say('1', 'a'), say('2', 'b'), say('3', 'a'), say('after')];
  expect(nested(lines)).toEqual(['0', { a: ['2', '4'] }, '1', { b: ['3'] }, '5']);
});

test('the sub-agent of a sub-agent stands below the call of that one', () => {
  const lines = [call('a'), call('b', 'a'), say('deep', 'b'), say('up', 'a'), say('main')];
  expect(nested(lines)).toEqual(['0', { a: ['1', { b: ['2'] }, '3'] }, '4']);
});

test('one whose call is in another page, or in none, stands where its first line is', () => {
  const pairs = new CallPairs();
  expect(nested([call('a'), say('x', 'a')], 0, pairs)).toEqual(['0', { a: ['1'] }]);
  const rest = [say('main'), say('more', 'a'), say('lost', 'gone'), say('main'), say('again', 'a')];
  expect(nested(rest, 100, pairs)).toEqual(['100', { a: ['101', '104'] }, { gone: ['102'] }, '103']);
});

test('an id that comes again in another attempt is another sub-agent', () => {
  const lines = [call('a'), say('1', 'a'), { ...call('a'), attempt: 2 }, say('2', 'a', { attempt: 2 })];
  expect(nested(lines)).toEqual(['0', { a: ['1'] }, '', '2', { a: ['3'] }]);
  const lost = [say('1', 'x'), say('2', 'x', { attempt: 2 })];
  expect(nested(lost)).toEqual([{ x: ['0'] }, { x: ['1'] }]);
});
