/** What a comment asks for. */
export interface MatchedCommand {
  readonly command: string;
  /** What follows the command's name on its line, for the record. */
  readonly args: string;
}

export type CommandMatch =
  | { readonly matched: true; readonly command: MatchedCommand }
  | { readonly matched: false; readonly reason: string };

export interface CommandOptions {
  /** `@agent`. */
  readonly trigger: string;
  readonly commands: readonly string[];
}

/**
 * Finds `<trigger> <command> ...` at the start of a line or after a space. Quoted lines and code are not a person's own
 * words and trigger nothing. The first known command counts.
 */
export function matchCommand(text: string, { trigger, commands }: CommandOptions): CommandMatch {
  let unknown: string | undefined;
  let isNamed = false;
  for (const line of ownLines(text)) {
    for (const rest of afterTrigger(line, trigger)) {
      isNamed = true;
      const [word = '', ...args] = rest.trim().split(/\s+/);
      const name = word.toLowerCase().replace(/[^a-z0-9._-]+$/, '');
      if (commands.includes(name)) return { matched: true, command: { command: name, args: args.join(' ') } };
      unknown ??= name;
    }
  }
  if (!isNamed) return { matched: false, reason: `no ${trigger} in the text` };
  const known = commands.join(', ');
  return {
    matched: false,
    reason: `unknown command ${JSON.stringify((unknown ?? '').slice(0, 60))}; known: ${known}`,
  };
}

function ownLines(text: string): string[] {
  const lines: string[] = [];
  let fence: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined) {
      // CommonMark: a fence ends with at least as many of the same mark.
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence)) fence = undefined;
      continue;
    }
    if (fence === undefined && !/^\s*>/.test(line)) lines.push(line.replaceAll(/`[^`]*`/g, ' '));
  }
  return lines;
}

/** What stands behind each mention; a mention is not part of a longer name or address. */
function afterTrigger(line: string, trigger: string): string[] {
  const found: string[] = [];
  const lower = line.toLowerCase();
  const mention = trigger.toLowerCase();
  for (let at = lower.indexOf(mention); at >= 0; at = lower.indexOf(mention, at + 1)) {
    const before = at === 0 ? ' ' : line.charAt(at - 1);
    const rest = line.slice(at + trigger.length);
    if (/[\s([{,;:]/.test(before) && (rest === '' || /^[\s,:]/.test(rest)))
      found.push(rest.replace(/^[,:]/, ''));
  }
  return found;
}
