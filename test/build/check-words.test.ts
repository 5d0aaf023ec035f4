import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findWords } from '../../src/build/check-words.mjs';
import { tempDir } from '../support/log-dir.ts';

test('a line names the word and what to write instead', () => {
  expect(findWords('page.md', 'First line.\nNobody reads this.')).toEqual([
    '2: "Nobody" (instead: name the user or the process)',
  ]);
});

test.each([
  ['a.ts', '// The file is made anew.'],
  ['a.ts', '/** Whoever calls this. */'],
  ['a.ts', ' * in vain'],
  ['a.ts', "throw new Error('the process at work has ended');"],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
  ['a.mjs', 'log(`${name} was told to end`)'],
  ['a.sh', 'run # in vain'],
  ['a.yaml', 'key: value # for anybody'],
  ['a.yml', '# the one that listens'],
])('in %s comments and messages are read: %s', (name, line) => {
  expect(findWords(name, line)).toHaveLength(1);
});

test.each([
  ['a.ts', 'removeLeftovers(anew);'],
  ['a.ts', '// The newest one, renewed.'],
  ['a.sh', 'whoever=1'],
  ['a.yaml', 'anybody: true'],
  ['a.json', '"nobody"'],
])('in %s names in code, parts of words and other files are not: %s', (name, line) => {
  expect(findWords(name, line)).toEqual([]);
});

test('the command names the file and the line of each finding, and fails', async () => {
  const dir = await tempDir();
  execFileSync('git', ['init', '--quiet', dir]);
  writeFileSync(join(dir, 'page.md'), 'In vain.\n');
  const run = () => spawnSync(process.execPath, ['src/build/check-words.mjs', dir], { encoding: 'utf8' });
  expect(run()).toMatchObject({ status: 1, stderr: 'page.md:1: "In vain" (instead: without success)\n' });
  writeFileSync(join(dir, 'page.md'), 'Without success.\n');
  expect(run()).toMatchObject({ status: 0, stderr: '' });
});
