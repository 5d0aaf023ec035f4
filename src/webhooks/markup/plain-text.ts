import { setImmediate } from 'node:timers/promises';
import { type Line, type OwnWords, QUOTED } from './own-words.ts';

/** Characters that are read without a pause. */
const PIECE_CHARS = 65_536;

/**
 * Reads text without markup. Quotations and code that are marked as in mail and chat count as such: `>` before a line,
 * backticks around words, lines of three backticks around lines.
 */
export async function readPlainText(
  text: string,
  words: OwnWords,
  ownText: (line: string) => Line = (line) => line,
): Promise<void> {
  const lines = text.split(/\r\n?|\n/);
  const fences = lines.flatMap((line, at) =>
    line.includes('```') && /^\s{0,3}```[^`]*$/.test(line) ? [at] : [],
  );
  // A fence without a second one hides nothing.
  if (fences.length % 2 === 1) fences.pop();
  let next = 0;
  let chars = 0;
  for (const [at, line] of lines.entries()) {
    words.endLine();
    chars += line.length + 1;
    if (chars >= PIECE_CHARS) {
      chars = 0;
      await setImmediate();
    }
    if (at === fences[next]) next += 1;
    else if (next % 2 === 0) readLine(line, words, ownText);
  }
}

function readLine(line: string, words: OwnWords, ownText: (line: string) => Line): void {
  if (line === '') return;
  const own = /^\s*>/.test(line) ? QUOTED : ownText(withoutCode(line));
  if (own === QUOTED) words.quotation();
  else words.text(own);
}

function withoutCode(line: string): string {
  if (!line.includes('`')) return line;
  return line.replaceAll(/(?<!`)`[^`]+`(?!`)|``[^`]+``/g, ' `…` ');
}
