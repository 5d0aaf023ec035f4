import { expect, test } from 'vitest';
import {
  type DiffLine,
  diffHunks,
  lineDiff,
} from '../../../../../src/page/browser/run/transcript/rows/line-diff.ts';
import {
  commandOf,
  editsOf,
  summaryOf,
} from '../../../../../src/page/browser/run/transcript/rows/tool-input.ts';
import { fc } from '../../../../support/fast-check.ts';

const side = (lines: readonly DiffLine[], left: DiffLine['kind']): string[] =>
  lines.filter(({ kind }) => kind !== left).map(({ text }) => text);

const SIGNS = { same: ' ', added: '+', removed: '-' };
const signed = (lines: readonly DiffLine[]): string[] => lines.map(({ kind, text }) => SIGNS[kind] + text);

test('a diff has both texts in it, and no more changes than it needs', () => {
  const line = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 });
  fc.assert(
    fc.property(line, line, (before, after) => {
      const lines = lineDiff(before, after);
      expect(side(lines, 'added')).toEqual(before);
      expect(side(lines, 'removed')).toEqual(after);
      expect(lines.filter(({ kind }) => kind === 'same')).toHaveLength(longestCommon(before, after));
    }),
  );
});

function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = b.map(() => 0);
  for (const one of a) {
    const above = row;
    row = [];
    for (const [at, other] of b.entries()) {
      const corner = above[at - 1] ?? 0;
      row.push(one === other ? corner + 1 : Math.max(above[at] ?? 0, row[at - 1] ?? 0));
    }
  }
  return row.at(-1) ?? 0;
}

test('texts that have little in common are one removed and one added block', () => {
  const before = Array.from({ length: 3_000 }, (_, n) => `old ${n}`);
  const after = Array.from({ length: 3_000 }, (_, n) => `new ${n}`);
  const lines = lineDiff(before, after);
  expect(side(lines, 'added')).toEqual(before);
  expect(side(lines, 'removed')).toEqual(after);
});

test('unchanged lines far from a change are left out and counted', () => {
  const before = Array.from({ length: 20 }, (_, n) => `${n}`).join('\n');
  const hunks = diffHunks(before, before.replace('\n9\n', '\nnine\n'));
  expect(hunks.map(({ skipped, lines }) => [skipped, signed(lines)])).toEqual([
    [6, [' 6', ' 7', ' 8', '-9', '+nine', ' 10', ' 11', ' 12']],
    [7, []],
  ]);
  expect(diffHunks('same\n', 'same')).toEqual([]);
  expect(signed(diffHunks('', 'a\n')[0]?.lines ?? [])).toEqual(['+a']);
});

test.each([
  [{ file_path: 'a.ts', old_string: 'x', new_string: 'y' }, [['a.ts', 'changed', 'x', 'y']]],
  [{ filePath: 'a.ts', oldString: 'x', newString: '' }, [['a.ts', 'changed', 'x', '']]],
  [{ file_path: 'a.ts', content: 'new' }, [['a.ts', 'written', '', 'new']]],
  [{ notebook_path: 'a.ipynb', new_source: 'x' }, [['a.ipynb', 'written', '', 'x']]],
  [
    {
      file_path: 'a.ts',
      edits: [
        { old_string: '1', new_string: '2' },
        { old_string: '3', new_string: '4' },
      ],
    },
    [
      ['a.ts', 'changed', '1', '2'],
      ['a.ts', 'changed', '3', '4'],
    ],
  ],
  [{ changes: [{ path: 'a.ts', kind: 'add' }, 'x'] }, [['a.ts', 'added', '', '']]],
  [
    {
      input:
        '*** Begin Patch\n*** Update File: a.ts\n@@ f\n-1\n+2\n 3\n*** Delete File: b.ts\n*** Add File: c.ts\n+c\n*** End Patch',
    },
    [
      ['a.ts', 'changed', '@@ f\n1\n3', '@@ f\n2\n3'],
      ['b.ts', 'deleted', '', ''],
      ['c.ts', 'added', '', 'c'],
    ],
  ],
  [{ file_path: 'a.ts' }, []],
  [{ command: 'ls' }, []],
  [null, []],
  ['text', []],
])('%j edits %j', (input, edits) => {
  expect(editsOf(input).map(({ path, kind, before, after }) => [path, kind, before, after])).toEqual(edits);
});

test('a call is summed up by the argument that says most', () => {
  expect(summaryOf({ description: 'lists', command: 'ls\n  -l' })).toBe('ls -l');
  expect(summaryOf({ command: "/bin/bash -lc 'cat README.md'" })).toBe('cat README.md');
  expect(commandOf({ command: ['bash', '-lc', 'npm test'] })).toBe('npm test');
  expect(commandOf({ command: ['npm', 'test'] })).toBe('npm test');
  expect(commandOf({ command: 3 })).toBeUndefined();
  expect(summaryOf({ limit: 3, pattern: 'a.*b' })).toBe('a.*b');
  expect(summaryOf({ path: 'src', pattern: 'a.*b' })).toBe('a.*b');
  expect(summaryOf({ todos: [1] })).toBe('{"todos":[1]}');
  expect(summaryOf({ other: 'first text' })).toBe('first text');
  expect(summaryOf({})).toBe('');
  expect(summaryOf(undefined)).toBe('');
  expect(summaryOf({ command: 'x'.repeat(10_000) })).toBe(`${'x'.repeat(200)}…`);
});
