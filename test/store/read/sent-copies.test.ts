import { expect, test } from 'vitest';
import { SentCopies } from '../../../src/store/read/sent-copies.ts';

const line = (id: string | null, sender?: string, content = 'x'): string =>
  JSON.stringify({
    timestamp: 't',
    ...(id !== null && { event_id: id }),
    content,
    ...(sender && { sender }),
  });

function shown(...lines: readonly string[]): readonly string[] {
  const copies = new SentCopies();
  for (const text of lines) copies.add(text);
  return lines.filter((text) => !copies.has(text));
}

test.each([
  [[line('a', 'anonymous'), line('a')], [1]],
  [[line('a', 'agent'), line('a')], [1]],
  [[line('a', 'anonymous'), line('a', 'agent')], [1]],
  [[line('a', 'anonymous'), line('a', 'agent'), line('a')], [2]],
  [
    [line('a', 'anonymous'), line('b'), line('c', 'agent')],
    [0, 1, 2],
  ],
  [
    [line('a'), line('b', 'agent')],
    [0, 1],
  ],
  // Text of the content is no mark, and neither is another value.
  [
    [line('a', undefined, '"sender":"agent"'), line('a')],
    [0, 1],
  ],
  [
    [line('a', 'octocat'), line('a')],
    [0, 1],
  ],
  [
    [line(null, 'agent'), line(null)],
    [0, 1],
  ],
])('of %j readers see the lines %j', (lines, numbers) => {
  expect(shown(...lines)).toEqual(numbers.map((number) => lines[number]));
});

test('thousands of marked lines hide no line of another id', () => {
  const lines = Array.from({ length: 40_000 }, (_, n) => line(`id-${n}`, n % 2 === 0 ? 'agent' : undefined));
  expect(shown(...lines)).toEqual(lines);
  const twins = Array.from({ length: 1_000 }, (_, n) => line(`id-${n * 2}`));
  expect(shown(...lines, ...twins)).toHaveLength(40_000);
});
