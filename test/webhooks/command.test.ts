import { expect, test } from 'vitest';
import { matchCommands } from '../../src/webhooks/command.ts';

const COMMANDS = ['review', 'fix', 'Plan', 'v1.2'];

function commandIn(text: string, trigger = '@agent'): string | undefined {
  const match = matchCommands(text, { trigger, commands: COMMANDS });
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
  ['> @agent review'],
  ['  > @agent review'],
  ['```\n@agent review\n```'],
  ['~~~ text\n@agent review\n~~~'],
  ['````\n```\n@agent review\n````'],
  ['```\n```js\n@agent review\n```'],
  ['`@agent review`'],
  ['``@agent `review`` '],
  ['<!-- say @agent review to start -->'],
  ['<!--\n@agent review\n-->'],
  ['```\n@agent review in a fence that never ends'],
])('%j contains no command', (text) => {
  expect(commandIn(text)).toBeUndefined();
});

test.each([
  ['```js\ncode\n```\n@agent review'],
  ['~~~\n```\n~~~\n@agent review'],
  ['```one line``` of code\n@agent review'],
  ['> quoted\n\n@agent review'],
  ['<!-- hidden -->\n@agent review'],
  ['<!-- never closed\n@agent review'],
  ['`code` @agent review'],
])('%j contains a review after quoted text', (text) => {
  expect(commandIn(text)).toBe('review');
});

test('the words after a command are its arguments', () => {
  expect(
    matchCommands('@agent review the second half', { trigger: '@agent', commands: COMMANDS }),
  ).toMatchObject({ commands: [{ command: 'review', args: 'the second half' }] });
});

test.each([
  ['@agent review and @agent plan', ['review', 'Plan']],
  ['@agent fix\n\n@agent review\n@AGENT FIX', ['fix', 'review']],
  ['@agent dance, @agent review, @agent review', ['review']],
])('%j contains each of %j once', (text, expected) => {
  const match = matchCommands(text, { trigger: '@agent', commands: COMMANDS });
  expect(match.matched ? match.commands.map(({ command }) => command) : match).toEqual(expected);
});

test('a trigger is a literal text, not a pattern', () => {
  expect(commandIn('/a.i+ fix', '/a.i+')).toBe('fix');
  expect(commandIn('/abii fix', '/a.i+')).toBeUndefined();
});

test('the reason names an unknown command and the known ones', () => {
  const match = matchCommands('@agent dance', { trigger: '@agent', commands: COMMANDS });
  expect(match).toMatchObject({ matched: false, reason: expect.stringContaining('"dance"') });
  expect(match).toMatchObject({ reason: expect.stringContaining('review, fix, Plan') });
});
