import { expect, test } from 'vitest';
import { matchCommands } from '../../src/webhooks/command.ts';

const COMMANDS = ['review', 'fix', 'Plan', 'v1.2'];

function commandIn(text: string, trigger = '@agent'): string | undefined {
  const match = matchCommands(text.split('\n'), { trigger, commands: COMMANDS });
  return match.matched ? match.commands[0]?.command : undefined;
}

test.each([
  ['@agent review', 'review'],
  ['@agent review this, please', 'review'],
  ['Could you, @agent fix it?', 'fix'],
  ['(@agent fix)', 'fix'],
  ['@agent: review', 'review'],
  ['@agent, review', 'review'],
  ['@AGENT Review', 'review'],
  ['@agent review.', 'review'],
  ['@agent review!!!', 'review'],
  ['@agent plan', 'Plan'],
  ['@agent v1.2.', 'v1.2'],
  ['@agent   review', 'review'],
  ['first line\r\n@agent fix\r\nlast line', 'fix'],
  ['@agent dance\n@agent fix', 'fix'],
  // Lower-casing this letter makes it longer.
  ['İİİİ @agent fix', 'fix'],
  ['"@agent fix"', 'fix'],
  ['“@agent fix”', 'fix'],
  ['**@agent fix**', 'fix'],
  ['*@agent* _fix_', 'fix'],
  ['__@agent__: fix', 'fix'],
  ['"@agent" fix', 'fix'],
  ['(@agent) fix', 'fix'],
  ['>@agent fix', 'fix'],
  ['Done.@agent fix', 'fix'],
  ['-@agent fix', 'fix'],
  ['…@agent fix', 'fix'],
  ['👉@agent fix', 'fix'],
  ['❤️@agent fix', 'fix'],
  ['请@agent fix', 'fix'],
  ['@agent，fix', 'fix'],
  ['@agent：fix。', 'fix'],
  ['@agent - fix', 'fix'],
  ['@agent — "fix" it', 'fix'],
  ['@agent,fix', 'fix'],
  ['@agent fix,please', 'fix'],
  ['@agent fix—now', 'fix'],
  ['\u200b@agent\u200b fix\u2060', 'fix'],
  ['\u2066@agent\u2069 fix', 'fix'],
])('%j contains the command %s', (text, command) => {
  expect(commandIn(text)).toBe(command);
});

test.each([
  ['mail me at me@agent review'],
  ['@agents review'],
  ['@agent-two review'],
  ['@agent'],
  ['review'],
  [''],
  ['https://medium.com/@agent review'],
  ['my_@agent review'],
  ['foo-@agent review'],
  ['@@agent review'],
  ['`@agent review`'],
  ['@agent_two review'],
  ['@agent.com review'],
  ['@agent `…` review'],
])('%j contains no command', (text) => {
  expect(commandIn(text)).toBeUndefined();
});

test('the words after a command are its arguments', () => {
  expect(
    matchCommands(['@agent review the second half'], { trigger: '@agent', commands: COMMANDS }),
  ).toMatchObject({ commands: [{ command: 'review', args: 'the second half' }] });
});

test.each([
  ['@agent review and @agent plan', ['review', 'Plan']],
  ['@agent fix\n\n@agent review\n@AGENT FIX', ['fix', 'review']],
  ['@agent dance, @agent review, @agent review', ['review']],
])('%j contains each of %j once', (text, expected) => {
  const match = matchCommands(text.split('\n'), { trigger: '@agent', commands: COMMANDS });
  expect(match.matched ? match.commands.map(({ command }) => command) : match).toEqual(expected);
});

test('a trigger is a literal text, not a pattern', () => {
  expect(commandIn('/a.i+ fix', '/a.i+')).toBe('fix');
  expect(commandIn('/abii fix', '/a.i+')).toBeUndefined();
});

test('the reason names an unknown command and the known ones', () => {
  const match = matchCommands(['@agent dance'], { trigger: '@agent', commands: COMMANDS });
  expect(match).toMatchObject({ matched: false, reason: expect.stringContaining('"dance"') });
  expect(match).toMatchObject({ reason: expect.stringContaining('review, fix, Plan') });
});
