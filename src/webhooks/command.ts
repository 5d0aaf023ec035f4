import { firstOfText } from '../model/text.ts';

/** A command that a text asks for. */
export interface MatchedCommand {
  /** In the case of the configuration; the text may use another one. */
  readonly command: string;
  /** The rest of the line after the command's name, for the record. */
  readonly args: string;
}

export type CommandMatch =
  | { readonly matched: true; readonly commands: readonly MatchedCommand[] }
  | { readonly matched: false; readonly reason: string };

export interface CommandOptions {
  /** `@agent`. */
  readonly trigger: string;
  readonly commands: readonly string[];
}

/** Characters after a mention that are searched. Without a limit, a line of 64 KiB of mentions would take quadratic time. */
const REST_CHARS_MAX = 300;

/**
 * Finds `<trigger> <command> ...` at the start of a line or after a space. Quoted lines, code and HTML comments do not
 * count: the author has not written them as a command. Each known command counts once, in the order of the text.
 */
export function matchCommands(text: string, { trigger, commands }: CommandOptions): CommandMatch {
  const mention = new RegExp(trigger.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'gi');
  const found = new Map<string, MatchedCommand>();
  let unknown = '';
  let isNamed = false;
  for (const line of ownLines(withoutComments(text))) {
    for (const rest of afterMentions(line, mention)) {
      isNamed = true;
      const word = /\S+/.exec(rest)?.[0] ?? '';
      const command = findCommand(word, commands);
      if (command === undefined) unknown ||= word;
      else if (!found.has(command)) {
        const args = rest.trim().split(/\s+/).slice(1).join(' ');
        found.set(command, { command, args });
      }
    }
  }
  if (found.size > 0) return { matched: true, commands: [...found.values()] };
  if (!isNamed) return { matched: false, reason: `no ${trigger} in the text` };
  const known = commands.join(', ');
  return {
    matched: false,
    reason: `unknown command ${JSON.stringify(firstOfText(unknown, 60))}; known: ${known}`,
  };
}

/** The whole word, or the word without punctuation at its end. A name may itself end in a dot. */
function findCommand(word: string, commands: readonly string[]): string | undefined {
  const whole = word.toLowerCase();
  const bare = whole.replace(/[^\p{L}\p{N}]+$/u, '');
  return commands.find((name) => name.toLowerCase() === whole || name.toLowerCase() === bare);
}

/** Issue templates hold explanations in comments, which are sent with the issue and not shown. */
function withoutComments(text: string): string {
  let out = '';
  let from = 0;
  for (;;) {
    const start = text.indexOf('<!--', from);
    const end = start < 0 ? -1 : text.indexOf('-->', start);
    if (end < 0) return out + text.slice(from);
    out += `${text.slice(from, start)} `;
    from = end + '-->'.length;
  }
}

/** CommonMark, 4.5: a fence ends with at least as many of the same mark and nothing after them. An info string after backticks has no backtick. */
const FENCE = /^\s*(?:(`{3,})([^`]*)|(~{3,})(.*))$/;

function ownLines(text: string): string[] {
  const lines: string[] = [];
  let fence: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, ticks, ticksInfo = '', tildes, tildesInfo = ''] = FENCE.exec(line) ?? [];
    const mark = ticks ?? tildes;
    if (fence !== undefined) {
      if (mark?.startsWith(fence) && `${ticksInfo}${tildesInfo}`.trim() === '') fence = undefined;
    } else if (mark !== undefined) fence = mark;
    else if (!/^\s*>/.test(line)) lines.push(line.replaceAll(/(`+)[^`]*\1/g, ' '));
  }
  return lines;
}

/** The text after each mention. A mention inside a longer name or address does not count. */
function afterMentions(line: string, mention: RegExp): string[] {
  const found: string[] = [];
  for (const match of line.matchAll(mention)) {
    const before = match.index === 0 ? ' ' : line.charAt(match.index - 1);
    const from = match.index + match[0].length;
    const rest = firstOfText(line.slice(from), REST_CHARS_MAX);
    if (/[\s([{,;:]/.test(before) && (rest === '' || /^[\s,:]/.test(rest)))
      found.push(rest.replace(/^[,:]/, ''));
  }
  return found;
}
