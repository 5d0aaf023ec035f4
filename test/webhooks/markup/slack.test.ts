import { describe, expect, test } from 'vitest';
import { commandsIn } from './commands-in.ts';

const BOT = '<@U0BOTA>';
const nameOf = (id: string): string => (id === 'U0BOTA' ? ' @agent ' : `<@${id}>`);

describe("in Slack's mrkdwn", () => {
  test.each([
    ['a command in a block', `type\n\`\`\`first\n${BOT} fix\nlast\`\`\``],
    ['a command on the last line of a block', `type \`\`\`first\n${BOT} fix\`\`\``],
    ['a block of one line', `\`\`\`${BOT} fix\`\`\``],
    ['all of it quoted', `>>> Jo wrote earlier\n${BOT} fix`],
    ['all of it quoted, escaped', `&gt;&gt;&gt; Jo wrote earlier\n\n${BOT} fix`],
    ['a rest that is quoted', `hm\n&gt;&gt;&gt;a\n${BOT} fix`],
    ['a quoted line', `&gt; ${BOT} fix`],
    ['a quoted line with a block', `&gt; a \`\`\`b\`\`\` ${BOT} fix`],
    ['code', `type \`${BOT} fix\``],
    ['the command as code', `${BOT} \`fix\``],
    ['struck out words', `~${BOT} fix~`],
    ['a mention that was typed as text', '&lt;@U0BOTA&gt; fix'],
    ['a mention of another user', '<@U0OTHER> fix'],
    ['an address', '<https://a.test/@agent|page> fix'],
  ])('%s starts nothing', async (_what, text) => {
    expect(await commandsIn({ markup: 'slack', text, nameOf })).toBe('');
  });

  test.each([
    ['after a block of two lines', `\`\`\`Error: boom\n    at f (a.js:1)\`\`\`\n${BOT} fix this`],
    ['before a block', `${BOT} fix this\n\`\`\`Error: boom\n    at f (a.js:1)\`\`\``],
    ['between two blocks', `\`\`\`a\nb\`\`\`\n${BOT} fix\n\`\`\`c\nd\`\`\``],
    ['after a block in its line', `\`\`\`a\`\`\` ${BOT} fix`],
    ['after three blocks and an open one', `\`\`\`a\`\`\` b \`\`\`c\`\`\` \`\`\`\n${BOT} fix`],
    ['after a block that does not end', `\`\`\`a\n${BOT} fix`],
    ['after a quoted line', `&gt; a\n${BOT} fix`],
    ['after a block that holds a quotation', `\`\`\`\n&gt;&gt;&gt; a\n\`\`\`\n${BOT} fix`],
    ['after a backtick without a second one', `the \` key\n${BOT} fix`],
    ['bold', `*${BOT} fix*`],
    ['a bold mention', `*${BOT}* fix`],
    ['a bold command', `${BOT} *fix*`],
    ['italic and bold', `_*${BOT} fix*_ please`],
    ['a mention with its name', '<@U0BOTA|agent>: fix'],
    ['with a comma', `${BOT}, fix`],
    ['a letter before', `hey${BOT} fix`],
    ['no space behind', `${BOT}fix`],
    ['a list', `• ${BOT} fix`],
    ['an emoji', `👉${BOT} fix`],
    ['the text of a link', `<https://a.test|@agent fix>`],
    ['a group of users', '<!subteam^S1|@agent> fix'],
  ])('%s starts', async (_what, text) => {
    expect(await commandsIn({ markup: 'slack', text, nameOf })).toBe('fix');
  });
});

const USER = { type: 'user', user_id: 'U0BOTA' };
const text = (value: string, style: object = {}): object => ({ type: 'text', text: value, style });
const part = (type: string, ...elements: object[]): object => ({ type, elements });
const rich = (...elements: object[]): object => part('rich_text', ...elements);

describe("in Slack's blocks", () => {
  test.each([
    ['a preformatted part', rich(part('rich_text_preformatted', USER, text(' fix')))],
    ['a quotation', rich(part('rich_text_quote', USER, text(' fix')))],
    [
      'a list in a quotation',
      rich({
        ...(part('rich_text_list', part('rich_text_section', USER, text(' fix'))) as object),
        border: 1,
      }),
    ],
    ['code', rich(part('rich_text_section', text('@agent fix', { code: true })))],
    ['a mention as code', rich(part('rich_text_section', { ...USER, style: { code: true } }, text(' fix')))],
    ['struck out words', rich(part('rich_text_section', text('@agent fix', { strike: true })))],
    ['a block in a section', { type: 'section', text: { type: 'mrkdwn', text: `\`\`\`${BOT} fix\`\`\`` } }],
    ['wrong types', rich(part('rich_text_section', [] as unknown as object, text(7 as unknown as string)))],
  ])('%s starts nothing', async (_what, block) => {
    expect(await commandsIn({ markup: 'slack-blocks', blocks: [block], nameOf })).toBe('');
  });

  test.each([
    ['a section', rich(part('rich_text_section', USER, text(' fix')))],
    ['bold', rich(part('rich_text_section', USER, text(' fix', { bold: true })))],
    ['a list', rich(part('rich_text_list', part('rich_text_section', USER, text(' fix'))))],
    [
      'after code',
      rich(part('rich_text_preformatted', text('```')), part('rich_text_section', USER, text(' fix'))),
    ],
    [
      'a mark of a block as text',
      rich(part('rich_text_section', text('a ``` b\n'), USER, text(' fix\n```'))),
    ],
    ['a second line', rich(part('rich_text_section', text('hi\n'), USER, text(' fix')))],
    ['a section of an app', { type: 'section', text: { type: 'mrkdwn', text: `*${BOT} fix*` } }],
    ['a field', { type: 'section', fields: [{ type: 'plain_text', text: '@agent fix' }] }],
  ])('%s starts', async (_what, block) => {
    expect(await commandsIn({ markup: 'slack-blocks', blocks: [block], nameOf })).toBe('fix');
  });
});
