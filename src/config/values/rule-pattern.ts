/** A group with a repetition inside that is itself repeated: `(a+)+`. Its time can double with each character. */
const NESTED = /\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)/;

/** Pieces that make patterns slow. Short, so that the check itself ends also for a pattern of a high power. */
const PROBES = ['a', 'A', '0', '-', '_', ' ', 'a0', 'aA0-', 'ab.', '/', '='];
const PROBE_CHARS = 256;

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

function isSlow(pattern: RegExp, piece: string): boolean {
  const short = msOf(pattern, piece.repeat(PROBE_CHARS / piece.length));
  if (short > 50) return true;
  const long = msOf(pattern, piece.repeat((16 * PROBE_CHARS) / piece.length));
  if (long < MS_MIN) return false;
  const longest = msOf(pattern, piece.repeat((64 * PROBE_CHARS) / piece.length));
  return longest / long > GROWTH_MAX;
}

function msOf(pattern: RegExp, text: string): number {
  const started = performance.now();
  text.replace(pattern, '');
  return performance.now() - started;
}
