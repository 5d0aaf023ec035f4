import type { OwnWords } from './own-words.ts';

/** Turns the mention of a user into what is searched: the trigger, or the mention itself. */
export type NameOf = (userId: string) => string;

const FENCE = '```';
/** `<@U1>`, `<@U1|jo>`, `<#C1|general>`, `<!subteam^S1|@team>`, `<url|text>`. */
const REFERENCE = /<([@#!]?)([^<>|\n]{1,3000})(?:\|([^<>\n]{0,3000}))?>/g;
const STRUCK = /(?<=^|[^\p{L}\p{N}~])~(?=[^\s~])[^~\n]*~(?![\p{L}\p{N}~])/gu;

/** Slack escapes exactly these three characters. */
export function unescapeSlack(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** Reads Slack's mrkdwn. No parser of it is kept up; what Slack itself has read comes as blocks. */
export function readSlackText(source: string, words: OwnWords, nameOf: NameOf): void {
  let isQuote = false;
  for (const part of partsOutsideCode(source.replaceAll(/\r\n?/g, '\n'))) {
    for (const [n, line] of part.split('\n').entries()) {
      // The first line goes on behind code, or begins the text.
      if (n > 0) {
        words.endLine();
        isQuote = false;
      }
      if (line === '') continue;
      const isStart = n > 0 || words.isEmpty;
      const mark = isStart ? (/^\s*((?:>|&gt;){1,3})/.exec(line)?.[1] ?? '') : '';
      // Quotes the rest of the message.
      if (mark.replaceAll('&gt;', '>') === '>>>') {
        words.quotation();
        return;
      }
      if (mark !== '') {
        isQuote = true;
        words.quotation();
      }
      if (!isQuote) words.text(ownText(line, nameOf));
    }
    words.gap();
  }
}

/** A block begins and ends anywhere in a line. One that does not end is shown as text. */
function partsOutsideCode(text: string): string[] {
  const parts = text.split(FENCE);
  if (parts.length % 2 === 1) return parts.filter((_, n) => n % 2 === 0);
  const open = parts.pop() ?? '';
  const shown = parts.filter((_, n) => n % 2 === 0);
  return [...shown.slice(0, -1), `${shown.at(-1) ?? ''}${FENCE}${open}`];
}

function ownText(line: string, nameOf: NameOf): string {
  if (!/[<`~&]/.test(line)) return line;
  return unescapeSlack(
    line
      .replaceAll(/`[^`\n]+`/g, ' `…` ')
      .replaceAll(STRUCK, ' ')
      .replaceAll(REFERENCE, (_, sign: string, target: string, label: string | undefined) => {
        if (sign === '@') return nameOf(target);
        if (sign === '!') return label ?? `@${target}`;
        return sign === '#' ? `#${label ?? target}` : (label ?? target);
      }),
  );
}
