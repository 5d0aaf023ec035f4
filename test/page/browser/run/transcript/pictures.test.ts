import { expect, test } from 'vitest';
import type { OutputLine } from '../../../../../src/client/api/shapes.ts';
import { picturesOf } from '../../../../../src/page/browser/run/transcript/content/pictures.ts';

const line = { type: 'tool_result' } as OutputLine;
const found = (block: object): unknown => {
  const { rest, pictures } = picturesOf(line, `before\n${JSON.stringify(block)}\nafter`);
  return [rest, pictures.map(({ type, content }) => [type, content !== undefined])];
};
const PNG = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1').toString('base64');

test('a picture is taken out of the text by its bytes, and no other type is shown', () => {
  const source = { type: 'base64', media_type: 'image/png', data: PNG };
  expect(found({ type: 'image', source })).toEqual(['before\nafter', [['image/png', true]]]);
  for (const media_type of ['image/svg+xml', 'image/jpeg', 'text/html', 'constructor', '__proto__'])
    expect(found({ type: 'image', source: { ...source, media_type } })).toEqual([
      'before\nafter',
      [[media_type, false]],
    ]);
});

test('an address of another host is no picture', () => {
  const block = { type: 'image_url', image_url: { url: 'https://tracker.example/pixel.png' } };
  expect(found(block)).toEqual([`before\n${JSON.stringify(block)}\nafter`, []]);
});

test('a block whose values are no texts stays text, and breaks nothing', () => {
  // An object that has no text: `String` throws for it.
  const none = { toString: 1 };
  for (const block of [
    { type: 'image', source: { url: none, media_type: none, data: PNG } },
    { type: 'image_url', image_url: { url: none } },
    { type: 'image', mimeType: none, data: PNG },
  ])
    expect(found(block)).toEqual([`before\n${JSON.stringify(block)}\nafter`, []]);
});
