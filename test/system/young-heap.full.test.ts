import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROGRAM = `
  import v8 from 'node:v8';
  import { keepYoungHeapSmall } from ${JSON.stringify(new URL('../../dist/system/young-heap.js', import.meta.url).href)};
  if (process.argv[1] === 'small') keepYoungHeapSmall();
  const kept = [];
  for (let i = 0; i < 1_000_000; i += 1) {
    kept.push({ i, list: [i] });
    if (kept.length > 30_000) kept.splice(0, 15_000);
  }
  console.log(v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size);
`;

function youngBytes(how: string): number {
  const args = ['--input-type=module', '--eval', PROGRAM, how];
  return Number(execFileSync(process.execPath, args, { cwd: fileURLToPath(new URL('.', import.meta.url)) }));
}

test('the part of the heap for new objects stays small', () => {
  expect(youngBytes('small')).toBeLessThanOrEqual(youngBytes('usual') / 4);
});
