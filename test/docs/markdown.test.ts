import { expect, test } from 'vitest';
import { parsePage } from './markdown.ts';

test('a page is parsed into anchors, links and blocks with the comments above them', () => {
  const page = parsePage(
    'x.md',
    [
      '# A `title` & more',
      'See [one](y.md#part) and `[no](link)`.',
      '## Part',
      '## Part',
      '<!-- not run: needs Docker -->',
      '',
      '```sh',
      '# no heading',
      '[no](link)',
      '```',
      '```json',
      '{}',
      '```',
    ].join('\n'),
  );
  expect([...page.anchors]).toEqual(['a-title--more', 'part', 'part-1']);
  expect(page.links).toEqual([{ page: 'x.md', line: 2, target: 'y.md#part' }]);
  expect(page.blocks.map(({ language, line, note }) => [language, line, note])).toEqual([
    ['sh', 8, 'not run: needs Docker'],
    ['json', 12, undefined],
  ]);
});

test('a block without an end is an error', () => {
  expect(() => parsePage('x.md', '```sh\necho')).toThrow('x.md:1: the block has no end');
});
