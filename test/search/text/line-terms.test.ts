import { expect, test } from 'vitest';
import { textsOfLine } from '../../../src/search/text/task-texts.ts';
import { TextMatch, textTerm } from '../../../src/search/text/text-match.ts';

const LINES: readonly string[] = [
  '{"content":"Run NPM test now"}',
  '{"content":"npm  test"}',
  '{"content":"npm\\ntest"}',
  '{"content":"npm\\ttest and more"}',
  '{"content":"\\u006epm test"}',
  '{"content":"ｎｐｍ　test"}',
  '{"type":"tool_call","tool_name":"Bash","tool_input":{"command":"npm test","limit":1e3}}',
  '{"tool_input":{"n":1E400,"m":1.0,"k":[100000000000000000000000]}}',
  '{"tool_input":["a",-0.5e-9]}',
  '{"content":"K and İ"}',
  '{"npm test":1}',
  'no json: npm test',
  '{"content":"nothing"}',
];

const TERMS: readonly string[] = [
  'npm test',
  'npm',
  'bash',
  '1000',
  'infinity',
  '1e+23',
  '1',
  '-5e-10',
  'k',
  'i',
  'nothing',
  'absent',
];

test.each(TERMS)('no line is ruled out whose texts have %j', (text) => {
  const term = textTerm(text, false);
  if (term === undefined) throw new Error('no term');
  for (const line of LINES) {
    const match = new TextMatch([term]);
    const mayBe = match.mayBeIn(line);
    for (const piece of textsOfLine(line).texts) match.read(piece);
    if (match.isComplete) expect(mayBe, line).toBe(true);
  }
});

test('a line without the words is ruled out, and one whose only term was found', () => {
  const terms = ['npm test', 'other']
    .map((text) => textTerm(text, false))
    .filter((term) => term !== undefined);
  const match = new TextMatch(terms);
  expect(match.mayBeIn('{"content":"nothing of it"}')).toBe(false);
  expect(match.mayBeIn('{"content":"npm test"}')).toBe(true);
  match.read('npm test');
  expect(match.mayBeIn('{"content":"npm test"}')).toBe(false);
  expect(match.mayBeIn('{"content":"npm test and the other"}')).toBe(true);
});
