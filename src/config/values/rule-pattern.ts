/** A group with a repetition inside that is itself repeated: `(a+)+`. Its time can double with each character. */
const NESTED = /\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)/;

/** Pieces that make patterns slow. Short, so that the check itself ends also for a pattern of a high power. */
const PROBES = ['a', 'A', '0', '-', '_', ' ', 'a0', 'aA0-', 'ab.', '/', '='];
const PROBE_CHARS = 64;
const PROBE_CHARS_MAX = 16 * 1024;

/** Four times the text takes four times as long; more than this is no longer linear. */
const GROWTH_MAX = 12;
const MS_MIN = 4;

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

/** From short texts to long ones: the first that is slow ends the check. */
function isSlow(pattern: RegExp, piece: string): boolean {
  let before = 0;
  for (let chars = PROBE_CHARS; chars <= PROBE_CHARS_MAX; chars *= 4) {
    const ms = msOf(pattern, piece.repeat(chars / piece.length));
    if (ms > 200 || (before > MS_MIN && ms / before > GROWTH_MAX)) return true;
    before = ms;
  }
  return false;
}

function msOf(pattern: RegExp, text: string): number {
  const started = performance.now();
  text.replace(pattern, '');
  return performance.now() - started;
}
