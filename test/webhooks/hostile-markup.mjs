/** Markup of `length` characters that makes a careless parser take more than linear time. Each has one mention at its end. */
export function hostileMarkup(length) {
  const fill = (text) => text.repeat(Math.ceil(length / text.length)).slice(0, length);
  const texts = new Map();
  for (const character of '`*_~[]()<>!#-+=|&\\:@{}"\'./1 \n\t') texts.set(character, fill(character));
  for (const text of PATTERNS) texts.set(text, fill(text));
  texts.set('nested brackets', '['.repeat(length / 2) + ']'.repeat(length / 2));
  texts.set('nested emphasis', `a${fill('*a').slice(0, length / 2)}${fill('a*').slice(0, length / 2)}`);
  texts.set('references', `[a]: b\n\n${fill('[a] ')}`);
  texts.set(
    'a nested list',
    steps(length, (n) => `${'  '.repeat(n)}* a\n`),
  );
  texts.set(
    'nested quotations',
    steps(length, (n) => `${'>'.repeat(n + 1)} a\n`),
  );
  texts.set(
    'longer and longer code',
    steps(length, (n) => `e${'`'.repeat(n + 1)}`),
  );
  texts.set('deep quotations with lazy lines', `${'>'.repeat(100)}a\n${fill('b\n')}`);
  texts.set('many quotations with lazy lines', fill(`${'>'.repeat(90)} a\n${'b\n'.repeat(40)}`));
  texts.set('quoted lists with lazy lines', fill(`${'> - '.repeat(25)}a\n${'b\n'.repeat(30)}`));
  texts.set('attributes', `<a${steps(length, (n) => ` a${n}`)}>`);
  texts.set('blocks of 65 KiB', fill(`${'- #\n'.repeat(16_700)}\n***\n`));
  texts.set('prose', fill('Some words of a plain sentence that goes on. \nAnd another line.\n\n'));
  return new Map([...texts].map(([name, text]) => [name, `${text}\n@agent dance`]));
}

const PATTERNS = [
  '[](',
  '[]((',
  '![',
  '![[]()',
  '[ (](',
  '](',
  '[a](<b',
  '[a](b',
  '[a][a]',
  '[a]: ',
  '[a]: b\n',
  '[^1]: ',
  '*_',
  '**_* ',
  '*a ',
  '_a*',
  'a**b',
  '**x [a*b**c](d)',
  '~~a',
  '~a ',
  '-a ',
  '\\`',
  '\\``',
  '`a``b```',
  '> ',
  '>\n',
  '- ',
  '-\n',
  '* ',
  '1. ',
  '#\n',
  '- [ ] ',
  '```\n',
  '~~~\n',
  '```\n~~~\n',
  '|a|\n|-|\n',
  'a|',
  '|-',
  '<!--',
  '<!-- ',
  '<!-- a -->',
  '<>',
  '<a ',
  '<a href="',
  '</',
  '<?',
  '<![CDATA[',
  '<!A ',
  '<div>',
  '<div>\n',
  '<pre>',
  '<pre>\n',
  '<code>',
  '</code>',
  '<b><i>',
  '<blockquote>\n',
  '<http:',
  'http://',
  'a@b.c ',
  '&amp',
  '&amp;',
  '@agent ',
  '@agent @agent, ',
  '@agent\n',
  '@agent\n\n',
  '# @agent\n',
  '`@agent` ',
  '{code',
  '{code:',
  '{code}',
  '{code}{quote}',
  '{quote}',
  '{{',
  '{{a',
  '{color:',
  '{color:red}',
  'bq. \n',
  '[~',
  '[a|',
  '\\{',
  '<@U1',
  '<@U1>',
  '<@U1|',
  '&gt;',
  '&gt;&gt;&gt;\n',
  '~a',
  '`a`',
  '```a',
  'On 2026 a@b.c wrote:\n',
  'On 2026\n',
  'From: a\n',
  'From: a\nTo: b\n',
  '--\n',
  '— \n',
  '2026:\n',
  '-- \n\n',
];
function steps(length, make) {
  const parts = [];
  let chars = 0;
  for (let n = 0; chars < length; n += 1) {
    parts.push(make(n));
    chars += parts.at(-1).length;
  }
  return parts.join('').slice(0, length);
}
