import { matchCommands, mentionPattern } from '../../../src/webhooks/command.ts';
import { readOwnLines, type Writing } from '../../../src/webhooks/markup/own-lines.ts';

const OPTIONS = { trigger: '@agent', commands: ['review', 'fix', 'plan'] };

/** The commands that a text starts, with spaces between them; `''` for none. */
export async function commandsIn(writing: Writing): Promise<string> {
  const { lines } = await readOwnLines(writing, mentionPattern(OPTIONS.trigger));
  const match = matchCommands(lines, OPTIONS);
  return match.matched ? match.commands.map(({ command }) => command).join(' ') : '';
}
