import { describe, expect, test } from 'vitest';
import { mentionPattern } from '../../../src/webhooks/command.ts';
import { readOwnLines } from '../../../src/webhooks/markup/own-lines.ts';
import { commandsIn } from './commands-in.ts';

function inMarkdown(text: string): Promise<string> {
  return commandsIn({ markup: 'markdown', text });
}

describe('code, quotations and what is not shown start nothing', () => {
  test.each([
    ['an indented block', 'To start it, write\n\n    @agent review\n\nand wait.'],
    ['an indented block in a list', '- a\n\n      @agent review'],
    ['a block indented with a tab', 'a\n\n\t@agent review'],
    ['a fence', '```\n@agent review\n```'],
    ['a fence with a language', '~~~ text\n@agent review\n~~~'],
    ['a longer fence', '````\n```\n@agent review\n````'],
    ['a fence that never ends', '```\n@agent review in a fence that never ends'],
    ['a fence in a list', '1. a\n   ```\n   @agent review\n   ```'],
    ['a fence after a heading of dots', '```\n```js\n@agent review\n```'],
    ['code in a line', '`@agent review`'],
    ['code with backticks in it', '``@agent `review`` '],
    ['code over two lines', 'it is `say\n@agent review` there'],
    ['only the command as code', '@agent `review`'],
    ['a quotation', '> @agent review'],
    ['an indented quotation', '   > @agent review'],
    ['the second line of a quotation, without its mark', '> he wrote\n@agent review'],
    ['a quotation in a list', '- > @agent review'],
    ['a list in a quotation', '> - @agent review'],
    ['a quotation in a quotation', '> > @agent review'],
    ['pre', 'Usage:\n<pre>\n@agent review\n</pre>'],
    ['pre with an empty line', '<pre>\na\n\n@agent review\n</pre>'],
    ['pre in details', '<details>\n<summary>log</summary>\n<pre>\n@agent review\n</pre></details>'],
    ['pre with attributes, in capitals', '<PRE class="x">\n@agent review\n</PRE>'],
    ['the element code', 'say <code>@agent review</code>'],
    ['the element code over two paragraphs', 'say <code>a\n\n@agent review</code>'],
    ['the element kbd', 'press <kbd>@agent review</kbd>'],
    ['a blockquote element', '<blockquote>\n@agent review\n</blockquote>'],
    ['a blockquote element with empty lines', '<blockquote>\n\n@agent review\n\n</blockquote>'],
    ['a blockquote element in a list', '* <blockquote>\n  @agent review\n  </blockquote>'],
    ['a blockquote that never ends', '<blockquote>\n\n@agent review'],
    ['a comment', '<!-- say @agent review to start -->'],
    ['a comment of lines', '<!--\n@agent review\n-->'],
    ['a comment with empty lines', '<!--\n\n@agent review\n\n-->'],
    ['a comment that never ends', '<!-- never closed\n@agent review'],
    ['a comment in a div that never ends', '<div>\n<!-- x\n\n@agent review'],
    ['a comment after words', 'a <!-- @agent review --> b'],
    ['a script', '<script>\n@agent review\n</script>'],
    ['struck out words', '~~@agent review~~'],
    ['the element del', '<del>@agent review</del>'],
    ['the title of a link', '[a](https://a.test "@agent review")'],
    ['the text for an image that is missing', '![@agent review](a.png)'],
    ['a definition of a link', '[x]: https://a.test "@agent review"\n\nwords'],
    ['an attribute', '<img alt="@agent review" src="a.png">'],
    ['an address of a page', 'see https://medium.com/@agent review'],
  ])('%s', async (_what, text) => {
    expect(await inMarkdown(text)).toBe('');
  });
});

describe('emphasis, links, mentions and what is around a command do not hide it', () => {
  test.each([
    ['bold', '**@agent review** please'],
    ['bold with underscores', '__@agent review__'],
    ['italic', '_@agent review_'],
    ['both', '***@agent review***'],
    ['a bold mention', '**@agent** review'],
    ['a bold command', '@agent **review**'],
    ['a bold command with a mark behind', '@agent **review**!'],
    ['emphasis behind a letter, which is none', '请**@agent review**'],
    ['the element b', '<b>@agent</b> review'],
    ['a link', '[@agent review](https://a.test)'],
    ['a link of the mention', '[@agent](https://github.com/agent) review'],
    ['a heading', '## @agent review'],
    ['a heading with a line', '@agent review\n---'],
    ['a list', '- @agent review'],
    ['a task', '- [ ] @agent review'],
    ['a list in a list', '- a\n  1. @agent review'],
    ['a cell of a table', '| a | b |\n|---|---|\n| x | @agent review |'],
    ['details', '<details>\n<summary>more</summary>\n\n@agent review\n</details>'],
    ['a div', '<div align="center">\n@agent review\n</div>'],
    ['a paragraph element', '<p>@agent review</p>'],
    ['a line break element', 'a<br>@agent review'],
    ['after a fenced block', '```\nlog\n```\n@agent review'],
    ['after a fence in another fence', '~~~\n```\n~~~\n@agent review'],
    ['after a fence of one line', '```one line``` of code\n@agent review'],
    ['after a backtick without a second one', 'the ` key\n@agent review'],
    ['after an escaped backtick', '\\`a @agent review `b`'],
    ['after a quotation', '> quoted\n\n@agent review'],
    ['after a comment', '<!-- hidden -->\n@agent review'],
    ['after code', '`code` @agent review'],
    ['after pre', '<pre>log</pre>\n\n@agent review'],
    ['after a blockquote element', '<blockquote>a</blockquote>\n\n@agent review'],
    ['after an end without a start', '</blockquote></pre>\n\n@agent review'],
    ['with a space as an entity', '@agent&nbsp;review'],
    ['a line of Windows', 'a\r\n@agent review\r\nb'],
    ['a line of an old Mac', 'a\r@agent review'],
    ['a quotation mark that is no quotation', 'a > b\n@agent review'],
    ['generics in prose', 'use Map<string, T> there\n\n@agent review'],
  ])('%s', async (_what, text) => {
    expect(await inMarkdown(text)).toBe('review');
  });
});

const LOG = 'at f (a.js:1)\n'.repeat(10_000);

test.each([
  ['a long text', `${'Words of a paragraph.\n\n'.repeat(30_000)}@agent review`, 'review'],
  ['a log between fences', `\`\`\`\n${LOG}\`\`\`\n@agent review`, 'review'],
  ['a fence that is open for long', `\`\`\`\n${LOG}@agent review`, ''],
  ['a long comment', `<!--\n${LOG}@agent review\n-->\n\n@agent fix`, 'fix'],
  ['a long list', `${'- item\n'.repeat(20_000)}\n\n@agent review`, 'review'],
  ['a quotation over the border of a piece', `${'> quoted\n'.repeat(8_000)}> @agent review`, ''],
  ['an element over the border of a piece', `<blockquote>\n\n${'a\n\n'.repeat(40_000)}@agent review`, ''],
])('%s is read in pieces, with what is open at the end of each', async (_what, text, commands) => {
  expect(text.length).toBeGreaterThan(65_536);
  expect(await inMarkdown(text)).toBe(commands);
});

test('a mention below many levels of lists is found, and one below more is named as not searched', async () => {
  const list = (levels: number, text: string): string =>
    Array.from({ length: levels }, (_, n) => `${'  '.repeat(n)}* a`).join('\n') +
    `\n${'  '.repeat(levels)}* ${text}`;
  const mention = mentionPattern('@agent');
  const near = await readOwnLines({ markup: 'markdown', text: list(7, '@agent review') }, mention);
  expect([near.lines.includes('@agent review'), near.isWhole]).toEqual([true, true]);
  const far = await readOwnLines({ markup: 'markdown', text: list(30, '@agent review') }, mention);
  expect([far.lines.includes('@agent review'), far.isWhole]).toEqual([false, false]);
});

test('nested quotations with lines that go on without a mark do not hide what is behind them', async () => {
  const text = `${'>'.repeat(100)}a\n${'b\n'.repeat(1_000)}\n@agent review`;
  const { lines } = await readOwnLines({ markup: 'markdown', text }, mentionPattern('@agent'));
  expect(lines).toEqual(['@agent review']);
});
