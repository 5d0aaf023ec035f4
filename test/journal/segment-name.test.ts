import { expect, test } from 'vitest';
import { cursorFileName } from '../../src/journal/cursor-files.ts';
import { formatSegmentName, parseSegmentName } from '../../src/journal/segment-name.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';

const ID = '01KDY0000000000000000000AB';

test.each(['open', 'claimed', 'closed'] as const)('a name in state %s is parsed back', (state) => {
  for (const owner of [ownIdentity(), { host: 'a.b-c_d', pid: 1, start: '' }]) {
    const name = { id: ID, owner, state };
    expect(parseSegmentName(formatSegmentName(name))).toEqual(name);
  }
});

test.each([
  cursorFileName(ID),
  `${ID}~host~1~.other`,
  `${ID}~host~x~.open`,
  `${ID}~ho/st~1~.open`,
  'short~host~1~.open',
  `${ID}~host~1~.open.tmp`,
  '',
])('%j is not the name of a segment', (name) => {
  expect(parseSegmentName(name)).toBeUndefined();
});
