import { expect, test } from 'vitest';
import { commandsIn } from './commands-in.ts';

test.each([
  ['code', '<p><code>@agent review</code></p>'],
  ['a quotation', '<blockquote><p>@agent review</p></blockquote>'],
  ['the quotation of a mail', '<p>ok</p><div class="gmail_quote"><p>@agent review</p></div>'],
  ['the header of Outlook', '<p>ok</p><div id="divRplyFwdMsg">From</div><p>@agent review</p>'],
  ['a comment', '<!-- @agent review -->'],
  ['a title with a tag in it', '<title>a <pre> @agent review</title>'],
])('HTML with %s starts nothing', async (_what, text) => {
  expect(await commandsIn({ markup: 'html', text })).toBe('');
});

test.each([
  ['a paragraph', '<p>a</p><p>@agent review</p>'],
  ['no space between blocks', '<div>me</div><div>@agent review</div>'],
  ['emphasis', '<b>@agent</b> <i>review</i>'],
  ['a line break of the source between mention and command', '<p>please @agent\n  review</p>'],
  ['entities', '&#64;agent&nbsp;review @agent'],
  ['after a title', '<title>a <pre></title>@agent review'],
  ['a mention of a program', '<a href="#" data-vss-mention="1">@agent</a> review'],
  ['tags in capitals', '<CODE>x</Code> @agent review'],
])('HTML with %s starts', async (_what, text) => {
  expect(await commandsIn({ markup: 'html', text })).toBe('review');
});
