import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { commandLine } from '../../../src/cli/run/agent-words.ts';
import { splitWords } from '../../../src/config/values/shell-words.ts';
import { fc } from '../../support/fast-check.ts';

function words(line: string): readonly string[] {
  const result = splitWords(line);
  if ('problem' in result) throw new Error(result.problem);
  return result.words;
}

/** The words of each line as split by `sh`; undefined for a syntax error. One process for all lines. */
function wordsOfShell(lines: readonly string[]): readonly (readonly string[] | undefined)[] {
  const script = `
    p() { printf '%s\\0' "$#" "$@"; }
    for line do ( eval "p $line" ) 2>/dev/null || printf 'error\\0'; done`;
  // Another locale may treat more characters as blanks.
  const options = { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } } as const;
  const output = execFileSync('sh', ['-c', script, 'sh', ...lines], options).split('\0');
  return lines.map(() => {
    const count = output.shift();
    return count === 'error' ? undefined : output.splice(0, Number(count));
  });
}

const BACKSLASH = '\\';

test.each<[string, readonly string[]]>([
  [String.raw`sh -c "echo \"a b\""`, ['sh', '-c', 'echo "a b"']],
  ['', []],
  [' \t\n ', []],
  ['  a\tb\n c ', ['a', 'b', 'c']],
  [`'' "" a''b`, ['', '', 'ab']],
  [`--name="a b"'c d'e`, ['--name=a bc de']],
  [String.raw`'it'\''s'`, ["it's"]],
  [String.raw`'a\'b`, [String.raw`a\b`]],
  [String.raw`a\ b\'c\"d\\e`, [String.raw`a b'c"d\e`]],
  [String.raw`"\$HOME \`x\` \" \\ \a \' \n"`, ['$HOME `x` " \\ \\a \\\' \\n']],
  [
    `a${BACKSLASH}\nb "c${BACKSLASH}\nd" 'e${BACKSLASH}\nf' ${BACKSLASH}\n g`,
    ['ab', 'cd', `e${BACKSLASH}\nf`, 'g'],
  ],
  ['"a\nb"', ['a\nb']],
  [`a${BACKSLASH} `, ['a ']],
  // No expansion, operators or comments: these characters are text.
  [
    `$HOME \${X} $(id) \`id\` ~ *.ts {a,b} a#b #c`,
    ['$HOME', `\${X}`, '$(id)', '`id`', '~', '*.ts', '{a,b}', 'a#b', '#c'],
  ],
  ['a|b && c > d; e &', ['a|b', '&&', 'c', '>', 'd;', 'e', '&']],
  ['"$HOME" !x', ['$HOME', '!x']],
  // Only space, tab and newline separate words.
  ['a\u00a0b\u3000c\vd\re', ['a\u00a0b\u3000c\vd\re']],
])('%j is split into %j', (line, expected) => {
  expect(words(line)).toEqual(expected);
});

test.each([
  [`it's`, `the ' at character 3 has no closing quote`],
  ['sh -c "open', 'the " at character 7 has no closing quote'],
  ['"a" "b', 'the " at character 5 has no closing quote'],
  ['\u{1f600} "b', 'the " at character 3 has no closing quote'],
  [`"a${BACKSLASH}"`, 'the " at character 1 has no closing quote'],
  [`"a${BACKSLASH}`, 'the " at character 1 has no closing quote'],
  [`a ${BACKSLASH}`, 'the backslash at its end escapes nothing'],
])('%j is rejected: %s', (line, problem) => {
  expect(splitWords(line)).toEqual({ problem });
});

/** Characters without a special meaning in the shell, including non-ASCII. */
const plain = fc.constantFrom(...'aZ09_=+,.:/@%-^]}\u00e9\u{1f600}\u00a0\v\r');
/** All characters that a word may contain. */
const any = fc.oneof(plain, fc.constantFrom(...' \t\n\'"\\$`|&;<>()*?[#~{!'));
const joined = (part: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));

const piece = fc.oneof(
  joined(plain),
  any.map((character) => BACKSLASH + character),
  joined(any.filter((character) => character !== "'")).map((text) => `'${text}'`),
  joined(
    fc.oneof(
      any.filter((character) => !'"\\$`'.includes(character)),
      any.map((character) => BACKSLASH + character),
    ),
  ).map((text) => `"${text}"`),
  fc.constantFrom(' ', '\t'),
);

test('lines are split like a real shell does, with any quotes and escapes', () => {
  fc.assert(
    fc.property(fc.array(joined(piece), { minLength: 40, maxLength: 60 }), (lines) => {
      expect(lines.map(words)).toEqual(wordsOfShell(lines));
    }),
    { numRuns: 15 },
  );
});

test('exactly the lines that a real shell rejects are rejected', { tags: 'full' }, () => {
  const line = joined(fc.constantFrom('a', ' ', "'", '"', BACKSLASH, '\t', '\u00e9'))
    // A shell treats a backslash at the end of its input as a literal one.
    .filter((text) => !/\\$/.test(text));
  fc.assert(
    fc.property(fc.array(line, { minLength: 60, maxLength: 80 }), (lines) => {
      const split = lines.map(splitWords).map((result) => ('words' in result ? result.words : undefined));
      expect(split).toEqual(wordsOfShell(lines));
    }),
    { numRuns: 15 },
  );
});

test('a printed command line is split into its original words, here and by a real shell', () => {
  fc.assert(
    fc.property(fc.array(fc.array(joined(any), { minLength: 1 }), { minLength: 20 }), (commands) => {
      const lines = commands.map(commandLine);
      expect(lines.map(words)).toEqual(commands);
      expect(wordsOfShell(lines)).toEqual(commands);
    }),
    { numRuns: 15 },
  );
});
