/**
 * Reads `{patterns: [{key, source, flags}], chars}` from standard input, searches hostile texts of a length and of twice the
 * length with each pattern, and prints the keys of those whose time grows by more than 2.3 with both of two doublings.
 */
/** Shorter times say nothing. A quadratic pattern takes longer with the longest text. */
const MS_MIN = 4;
const GROWTH_MAX = 2.3;
/** A quadratic pattern grows in each of these. A linear one that another process disturbs does not. */
const CONFIRMATIONS = 4;

let input = '';
for await (const piece of process.stdin) input += piece;
const { patterns, chars: CHARS } = JSON.parse(input);
const slow = [];
for (const { key, source, flags } of patterns) {
  const pattern = new RegExp(source, flags.replaceAll(/[y]/g, ''));
  const found = unitsOf(source).find(([prefix, unit, end]) => isSlow(pattern, prefix, unit, end));
  if (found !== undefined) slow.push(`${key} with ${JSON.stringify(found)}`);
}
console.log(JSON.stringify(slow));

function isSlow(pattern, prefix, unit, end) {
  const text = (chars) => prefix + unit.repeat(Math.ceil(chars / unit.length)) + end;
  const once = msOf(pattern, text(4 * CHARS));
  if (once < MS_MIN) return false;
  return Array.from({ length: CONFIRMATIONS }).every(() => {
    const [first, second, third] = [1, 2, 4].map((factor) => bestOf(pattern, text(factor * CHARS)));
    return second > GROWTH_MAX * first && third > GROWTH_MAX * second;
  });
}

function bestOf(pattern, text) {
  return Math.min(...[1, 2, 3].map(() => msOf(pattern, text)));
}

/** What a program does with a pattern: all matches with `g`, else the first one. */
function msOf(pattern, text) {
  const start = process.cpuUsage();
  if (pattern.global) text.replaceAll(pattern, '');
  else pattern.test(text);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

/** Repetitions of the characters that a pattern names, of pairs of them, and of its words. */
function unitsOf(source) {
  const named = [...new Set(source.replaceAll(/\\[a-z]|[\\()?*+|{}^$]/gi, ''))].slice(0, 12);
  const characters = [...new Set([...named, ' ', '\t', '\n', 'a', '0', '-', '.', '\0'])];
  const words = source.match(/[A-Za-z0-9_ :=<>/-]{2,}/g) ?? [];
  const pairs = characters.slice(0, 8).flatMap((a) => characters.slice(0, 8).map((b) => a + b));
  const prefixes = ['', ...new Set([words[0] ?? '', characters[0]])].slice(0, 3);
  return [...characters, ...words.slice(0, 6), ...pairs].flatMap((unit) =>
    prefixes.flatMap((prefix) => ['\u0001', '\n\u0001'].map((end) => [prefix, unit, end])),
  );
}
