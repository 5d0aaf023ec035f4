import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseEnvFile, readEnvFile } from '../../src/config/env-file.ts';
import { projectDir } from '../support/project-dir.ts';

/** Values that all supported Node versions parse the same way. */
const WELL_FORMED = [
  '# a comment',
  'PLAIN=value',
  'export EXPORTED=value',
  'SPACED = two words   ',
  'EMPTY=',
  'EMPTY_QUOTED=""',
  'COMMENTED=value # a comment',
  'HASH="a # b"',
  'SINGLE=\'a # "b" \\n\'',
  "BACKTICK=`a # 'b'`",
  'DOUBLE="a\\nb"',
  'LITERAL=$PLAIN',
  "APOSTROPHE=it's",
  'EQUALS=a=b==',
  'LINES="a',
  'b # c',
  '',
  'd" # a comment',
  'TWICE=first',
  'TWICE=second',
  'dotted.name-x=1',
].join('\n');

test('a file is parsed like node --env-file', () => {
  const { values, problems } = parseEnvFile(WELL_FORMED);
  expect(problems).toEqual([]);
  expect(Object.fromEntries(values)).toEqual({
    PLAIN: 'value',
    EXPORTED: 'value',
    SPACED: 'two words',
    EMPTY: '',
    EMPTY_QUOTED: '',
    COMMENTED: 'value',
    HASH: 'a # b',
    SINGLE: 'a # "b" \\n',
    BACKTICK: "a # 'b'",
    DOUBLE: 'a\nb',
    LITERAL: '$PLAIN',
    APOSTROPHE: "it's",
    EQUALS: 'a=b==',
    LINES: 'a\nb # c\n\nd',
    TWICE: 'second',
    'dotted.name-x': '1',
  });
  const path = projectDir().put('file.env', WELL_FORMED);
  const read = execFileSync(process.execPath, [`--env-file=${path}`, '-p', 'JSON.stringify(process.env)'], {
    env: {},
    encoding: 'utf8',
  });
  expect(JSON.parse(read)).toMatchObject(Object.fromEntries(values));
});

test.each([
  ['CRLF line ends', 'A=1\r\nB="x\r\ny"\r\n\r\nC=3\r\n', { A: '1', B: 'x\ny', C: '3' }],
  ['a byte order mark', '\uFEFFA=1', { A: '1' }],
  ['indented comments and names', '  # x\n  export   A=1\n\tB\t=\t2\t\n#', { A: '1', B: '2' }],
  ['no content', '', {}],
])('a file with %s is parsed', (_what, text, expected) => {
  const { values, problems } = parseEnvFile(text);
  expect({ values: Object.fromEntries(values), problems }).toEqual({ values: expected, problems: [] });
});

const LINE = 'write NAME=value, or # before a comment';

test.each<[string, string[], Record<string, string>]>([
  ['A=1\nhidden\nB=2', [`line 2: ${LINE}`], { A: '1', B: '2' }],
  ['=hidden\nA=1', [`line 1: ${LINE}`], { A: '1' }],
  ['TWO WORDS=hidden', [`line 1: ${LINE}`], {}],
  ['export A', [`line 1: ${LINE}`], {}],
  ['1A=hidden', [`line 1: ${LINE}`], {}],
  ['A: hidden', [`line 1: ${LINE}`], {}],
  ['A="hidden\nB=2', ['line 1: A: its " has no closing quote'], { B: '2' }],
  ["A='hidden", ["line 1: A: its ' has no closing quote"], {}],
  ['A="hidden" hidden\nB=2', ['line 1: A: text follows its closing "'], { B: '2' }],
  ['A="hid\\"den"', ['line 1: A: text follows its closing "'], {}],
  ['A="hidden\nB="2"\nC=3', ['line 1: A: text follows its closing " 1 line below'], { B: '2', C: '3' }],
  ['P\0O\0R\0T\0=\x001\0', [`line 1: ${LINE}`], {}],
])('%j is rejected with its line number, without its text', (text, expected, rest) => {
  const { values, problems } = parseEnvFile(text);
  expect(problems).toEqual(expected);
  expect(problems.join()).not.toContain('hidden');
  expect(Object.fromEntries(values)).toEqual(rest);
});

test('a missing file or a directory reads as undefined', () => {
  const { cwd } = projectDir();
  mkdirSync(join(cwd, 'venv'));
  writeFileSync(join(cwd, 'text'), '');
  for (const name of ['none', 'venv', 'text/.env'])
    expect(readEnvFile(join(cwd, name)), name).toBeUndefined();
});

test('an unreadable file is a problem with its path', () => {
  const path = join(projectDir().cwd, '.env');
  symlinkSync(path, path);
  expect(readEnvFile(path)?.problems).toEqual([expect.stringMatching(`^${path}: cannot be read: .*ELOOP`)]);
});
