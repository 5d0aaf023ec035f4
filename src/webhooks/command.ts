/** What a comment asks for. */
export interface MatchedCommand {
  /** As it is configured, whatever its case in the text. */
  readonly command: string;
  /** What follows the command's name on its line, for the record. */
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

/** Of a line, what is looked at behind a mention: a line of 64 KiB that is all mentions must not be read once for each. */
const REST_CHARS_MAX = 300;

/**
 * Finds `<trigger> <command> ...` at the start of a line or after a space. Quoted lines, code and HTML comments are not
 * a person's own words and trigger nothing. Each known command counts once, in the order of the text.
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
    reason: `unknown command ${JSON.stringify(unknown.slice(0, 60))}; known: ${known}`,
  };
}

/** As it stands, or without the punctuation of the sentence around it; a name may itself end in a dot. */
function findCommand(word: string, commands: readonly string[]): string | undefined {
  const whole = word.toLowerCase();
  const bare = whole.replace(/[^\p{L}\p{N}]+$/u, '');
  return commands.find((name) => name.toLowerCase() === whole || name.toLowerCase() === bare);
}

/** Issue templates explain themselves in comments, which nobody sees and everybody sends. */
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

/** CommonMark, 4.5: a fence ends with at least as many of the same mark and nothing behind; an info string has no backtick. */
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

/** What stands behind each mention; a mention is not part of a longer name or address. */
function afterMentions(line: string, mention: RegExp): string[] {
  const found: string[] = [];
  for (const match of line.matchAll(mention)) {
    const before = match.index === 0 ? ' ' : line.charAt(match.index - 1);
    const from = match.index + match[0].length;
    const rest = line.slice(from, from + REST_CHARS_MAX);
    if (/[\s([{,;:]/.test(before) && (rest === '' || /^[\s,:]/.test(rest)))
      found.push(rest.replace(/^[,:]/, ''));
  }
  return found;
}
