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
/** Characters of emphasis before a mention that are looked at. */
const MARKS_MAX = 8;

/** Format characters, such as zero-width spaces, which editors and chats insert around a mention. */
const FORMAT = /\p{Cf}/gu;
/** Emphasis, dashes of a list and format characters, which may stand between the mention and what is before it. */
const MARK = /[*_~+=\p{Cf}-]/u;
/** What may stand before a mention. Some scripts have no spaces. A letter or `/` makes it a part of an address. */
const BEFORE =
  /[\s\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Pd}\p{So}\p{Mn}"'.,;:!?…|>•·、。，；：！？¿¡\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{Emoji_Presentation}]/u;
/** What may stand between a mention and its command: punctuation and a space, or punctuation that needs no space. */
const AFTER = /^(?:[\p{Pe}\p{Pf}*_~"'.,;:!?…—–-]{0,8}(?=\s|$)|[*_]{0,3}[,:，：、]|(?=[*_"']{1,3}\s))/u;
/** A word of punctuation between a mention and its command. */
const SEPARATOR = /^[\p{Pd}*_~:>→=,.;!?…，。：；、！？]+$/u;

/** Finds the trigger as text, in any case. */
export function mentionPattern(trigger: string): RegExp {
  return new RegExp(trigger.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i');
}

/**
 * Finds `<trigger> <command> ...` at the start of a line or after a space or punctuation. The lines are the author's own:
 * see `readOwnLines`. Each known command counts once, in the order of the text.
 */
export function matchCommands(lines: readonly string[], { trigger, commands }: CommandOptions): CommandMatch {
  const pattern = mentionPattern(trigger);
  const mention = new RegExp(pattern, 'gi');
  const found = new Map<string, MatchedCommand>();
  let unknown = '';
  let isNamed = false;
  for (const line of lines) {
    if (!pattern.test(line)) continue;
    for (const rest of afterMentions(line, mention)) {
      isNamed = true;
      const [word = '', args] = splitCommand(rest);
      const command = findCommand(word, commands);
      if (command === undefined) unknown ||= word;
      else if (!found.has(command))
        found.set(command, { command, args: args.trim().replaceAll(/\s+/g, ' ') });
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

/** The first word that is more than punctuation, and what follows it. */
function splitCommand(rest: string): readonly [word: string, args: string] {
  const words = /\S+/g;
  for (let match = words.exec(rest); match !== null; match = words.exec(rest)) {
    if (!SEPARATOR.test(match[0])) return [match[0], rest.slice(words.lastIndex)];
  }
  return ['', ''];
}

/** The whole word, or the word without punctuation around it or behind it. A name may itself end in a dot. */
function findCommand(word: string, commands: readonly string[]): string | undefined {
  if (word === '') return undefined;
  const whole = word.toLowerCase();
  const bare = whole.replace(/^[^\p{L}\p{N}]+/u, '').replace(/(?<=[\p{L}\p{N}])[^\p{L}\p{N}]+$/u, '');
  const [first = ''] = bare.split(/[,;:!?…，。、；：！？—–]/u, 1);
  const names = [whole, bare, first];
  return names
    .map((text) => commands.find((name) => name.toLowerCase() === text))
    .find((name) => name !== undefined);
}

/** The text after each mention. A mention inside a longer name or address does not count. */
function afterMentions(line: string, mention: RegExp): string[] {
  const found: string[] = [];
  for (const { index, 0: name } of line.matchAll(mention)) {
    const from = index + name.length;
    const rest = firstOfText(line.slice(from), REST_CHARS_MAX).replaceAll(FORMAT, '');
    const after = AFTER.exec(rest);
    if (after !== null && standsApart(line, index)) found.push(rest.slice(after[0].length));
  }
  return found;
}

function standsApart(line: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && at - before <= MARKS_MAX && MARK.test(line.charAt(before))) before -= 1;
  if (before < 0 || line.charAt(at - 1) === '*') return true;
  const isPair = /[\uDC00-\uDFFF]/.test(line.charAt(before));
  return BEFORE.test(line.slice(isPair ? before - 1 : before, before + 1));
}
