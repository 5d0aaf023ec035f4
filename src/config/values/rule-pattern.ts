import { runInNewContext } from 'node:vm';

/** A group with a repetition inside that is itself repeated: `(a+)+`. Its time can double with each character. */
const NESTED = /\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)/;

/** Pieces that make patterns slow, repeated to a text of this length. */
const PROBES = ['a', 'A', '0', '-', '_', ' ', 'a0', 'aA0-', 'ab.', '/', '='];
const PROBE_CHARS = 64 * 1024;

/** The end of the text: a pattern that wants more of the same has to go back over all of it. */
const PROBE_END = '\u0001';

/** A linear pattern reads such a text in about a millisecond; one of quadratic time needs more than a second. */
const PROBE_MS = 250;

/** What is wrong with the pattern of a redaction rule; undefined when it can be used. */
export function patternProblem(source: string): string | undefined {
  let pattern: RegExp;
  try {
    pattern = new RegExp(source, 'g');
  } catch (error) {
    return `is no regular expression: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (new RegExp(source).test('')) return 'matches the empty text';
  if (/\\[1-9]|\\k</.test(source)) return 'refers back to a group, which can take very long';
  if (NESTED.test(source)) return 'repeats a group that repeats, which can take very long';
  if (PROBES.some((piece) => isSlow(pattern, piece))) return 'takes more than linear time';
  return undefined;
}

/** The clock alone decides, so a second look has to agree: a busy machine may have taken the first one's time. */
function isSlow(pattern: RegExp, piece: string): boolean {
  const text = `${piece.repeat(PROBE_CHARS / piece.length)}${PROBE_END}`;
  return !endsInTime(pattern, text) && !endsInTime(pattern, text);
}

/** V8 ends a regular expression only for the timeout of `node:vm`; its time has no bound otherwise. */
function endsInTime(pattern: RegExp, text: string): boolean {
  try {
    runInNewContext("text.replace(pattern, '')", { text, pattern }, { timeout: PROBE_MS });
    return true;
  } catch {
    // Its time is over, or its stack is full.
    return false;
  }
}
