// A step of `npm run lint`: words that comments, messages and pages do not use, each with a replacement. They hide who does
// something, or have to be read twice. An argument names another checkout than this one.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORDS = [
  ['who(?:m|so)?ever', 'name the caller, the process or the user'],
  ['(?:some|any|every|no)body', 'name the user or the process'],
  ['whatsoever|whichsoever', 'leave it out'],
  ['the ones? (?:that|who|which)', 'name the thing'],
  ['anew', 'again'],
  ['in vain', 'without success'],
  ['at work', 'running'],
  ['(?:is|are|was|were) told', 'receives, is reported'],
  ['tell(?:s|ing)? (?:it|them|us|theirs?|its|of)', 'reports, sends'],
  ['hears?(?: of)?|heard(?: of)?', 'receives, is notified'],
  ['speaks? of', 'is about'],
  ['of its own accord', 'by itself'],
  ['that is none|are no [a-z]+s of ours', 'say what it is'],
  ['surroundings|vitals|leftovers', 'the standard term'],
].map(([pattern, instead]) => ({ pattern: new RegExp(`\\b(?:${pattern})\\b`, 'gi'), instead }));

/** Per kind of file: the parts of a line that people read. */
const PARTS = new Map([
  ['.ts', /\/\/.*|^\s*\*.*|\/\*.*|'[^']{12,}'|`[^`]{12,}`/g],
  ['.mjs', /\/\/.*|^\s*\*.*|\/\*.*|'[^']{12,}'|`[^`]{12,}`/g],
  ['.md', /.*/g],
  ['.sh', /#.*/g],
  ['.yaml', /#.*/g],
  ['.yml', /#.*/g],
]);

/** Recorded or given text, this list and its test. */
const LEFT_OUT = [/^test\/samples\//, /golden\//, /^(?:src|test)\/build\/check-words\./, /^LICENSE$/];

/** The findings in a text, as `line: words (instead: ...)`. */
export function findWords(name, text) {
  const parts = PARTS.get(extname(name));
  if (parts === undefined) return [];
  return text.split('\n').flatMap((line, index) => {
    const read = (line.match(parts) ?? []).join(' ');
    return WORDS.flatMap(({ pattern, instead }) =>
      (read.match(pattern) ?? []).map((found) => `${index + 1}: "${found}" (instead: ${instead})`),
    );
  });
}

function main(root) {
  const names = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  const files = [...new Set(names.toString('utf8').split('\n'))].filter(
    (name) => PARTS.has(extname(name)) && !LEFT_OUT.some((pattern) => pattern.test(name)),
  );
  const found = files.flatMap((name) => {
    try {
      return findWords(name, readFileSync(join(root, name), 'utf8')).map((finding) => `${name}:${finding}`);
    } catch (error) {
      // Deleted, and not committed yet.
      if (error.code === 'ENOENT') return [];
      throw error;
    }
  });
  for (const line of found) console.error(line);
  if (found.length > 0) process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  main(process.argv[2] ?? resolve(import.meta.dirname, '..', '..'));
