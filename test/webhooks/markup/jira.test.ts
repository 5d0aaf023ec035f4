import { describe, expect, test } from 'vitest';
import { commandsIn } from './commands-in.ts';

const FENCE = '```';

describe("in Jira's wiki markup", () => {
  test.each([
    ['code', '{code}\n@agent review\n{code}'],
    ['code in a language', '{code:java|title=a}\n@agent review\n{code}'],
    ['noformat', '{noformat}\n@agent review\n{noformat}'],
    ['code that holds a quotation', '{code}\n{quote}\n@agent review\n{quote}\n{code}'],
    ['noformat that holds a mark of code', '{noformat}\n{code}\n@agent review\n{noformat}'],
    ['a quotation', '{quote}\n@agent review\n{quote}'],
    ['a quotation that holds code', '{quote}\na\n{code}\n{quote}\n{code}\n@agent review\n{quote}'],
    ['a quoted line', 'bq. @agent review'],
    ['code in a line', 'type {{@agent review}}'],
    ['code in a line with braces', 'type {{a {x} @agent review}}'],
    ['struck out words', '-@agent review-'],
    ['a fence of another markup', `${FENCE}\n@agent review\n${FENCE}`],
    ['backticks', 'type `@agent review`'],
    ['a parameter', '{panel:title=@agent review}\na\n{panel}'],
    ['a mention of another user', '[~jo] review'],
  ])('%s starts nothing', async (_what, text) => {
    expect(await commandsIn({ markup: 'jira', text })).toBe('');
  });

  test.each([
    ['bold', '*@agent review*'],
    ['a bold mention', '*@agent* review'],
    ['italic', '_@agent review_ please'],
    ['inserted', '+@agent review+'],
    ['a colour', '{color:red}@agent review{color}'],
    ['a colour around the mention', '{color:#ff0000}@agent{color} review'],
    ['bold in a colour', '{color:red}*@agent review*{color}'],
    ['a heading', 'h2. @agent review'],
    ['a list', '** @agent review'],
    ['a cell of a table', '||a||b||\n|x|@agent review|'],
    ['a panel', '{panel:title=x}\n@agent review\n{panel}'],
    ['a link', '[@agent review|https://a.test]'],
    ['a mention', '[~agent] review'],
    ['a mention with a colon', '[~agent]: review'],
    ['after code that holds a fence', `{code}\n${FENCE}\nlog\n{code}\n@agent review`],
    ['after code', '{code}a{code} @agent review'],
    ['after a quotation', '{quote}a{quote}\n@agent review'],
    ['after a mark without a second one', '{code} is a macro\n@agent review'],
    ['after an escaped mark', '\\{code} a \\{code}\n@agent review'],
    ['between two blocks', '{noformat}a{noformat}\n@agent review\n{noformat}b{noformat}'],
    ['a line of Windows', 'a\r\n@agent review\r\n'],
  ])('%s starts', async (_what, text) => {
    expect(await commandsIn({ markup: 'jira', text })).toBe('review');
  });
});

function text(value: string, ...marks: string[]): object {
  return { type: 'text', text: value, marks: marks.map((type) => ({ type })) };
}

function block(type: string, ...content: object[]): object {
  return { type, content };
}

const COMMAND = block('paragraph', text('@agent review'));
const MENTION = { type: 'mention', attrs: { id: '1', text: '@agent' } };

describe('in an Atlassian Document', () => {
  test.each([
    ['a code block', block('codeBlock', text('@agent review'))],
    ['a code block that holds a fence', block('codeBlock', text(`${FENCE}\na\n${FENCE}\n@agent review`))],
    ['a quotation', block('blockquote', COMMAND)],
    ['a list in a quotation', block('blockquote', block('bulletList', block('listItem', COMMAND)))],
    ['a code block in a panel', block('panel', block('codeBlock', text('@agent review')))],
    ['code', block('paragraph', text('@agent review', 'code'))],
    ['a command as code', block('paragraph', text('@agent '), text('review', 'code'))],
    ['struck out words', block('paragraph', text('@agent review', 'strike'))],
    ['a hint of a template', block('paragraph', { type: 'placeholder', attrs: { text: '@agent review' } })],
    [
      'a mention of another user',
      block('paragraph', { type: 'mention', attrs: { text: '@jo' } }, text(' review')),
    ],
  ])('%s starts nothing', async (_what, node) => {
    expect(await commandsIn({ markup: 'atlassian-document', document: block('doc', node) })).toBe('');
  });

  test.each([
    ['a paragraph', COMMAND],
    ['bold', block('paragraph', text('@agent review', 'strong', 'em'))],
    ['a bold mention', block('paragraph', text('@agent', 'strong'), text(' review'))],
    ['a mention', block('paragraph', MENTION, text(' review'))],
    ['a mention without a space', block('paragraph', text('hey'), MENTION, text('review'))],
    [
      'a mention without its sign',
      block('paragraph', { type: 'mention', attrs: { text: 'agent' } }, text(', review')),
    ],
    ['a heading', block('heading', text('@agent review'))],
    ['a list', block('bulletList', block('listItem', COMMAND))],
    ['a task', block('taskList', block('taskItem', text('@agent review')))],
    ['a panel', block('panel', COMMAND)],
    ['an expand', block('expand', COMMAND)],
    ['a cell', block('table', block('tableRow', block('tableCell', COMMAND)))],
    ['a layout', block('layoutSection', block('layoutColumn', COMMAND))],
    ['a line break', block('paragraph', text('a'), { type: 'hardBreak' }, text('@agent review'))],
    ['a link', block('paragraph', text('@agent review', 'link'))],
    ['an unknown block', block('somethingNew', COMMAND)],
  ])('%s starts', async (_what, node) => {
    expect(await commandsIn({ markup: 'atlassian-document', document: block('doc', node) })).toBe('review');
  });

  test('a command after a code block with an open fence starts', async () => {
    const document = block('doc', block('codeBlock', text(FENCE)), COMMAND);
    expect(await commandsIn({ markup: 'atlassian-document', document })).toBe('review');
  });
});
