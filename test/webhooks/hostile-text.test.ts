import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { builtUrl } from '../support/built.ts';
import { DEADLINE_MS } from '../support/until.ts';

/** Up to a megabyte each. Quadratic time would take hours. */
const TEXTS = {
  mentions: "'@agent '.repeat(40_000)",
  punctuation: "'@agent ' + '!'.repeat(300_000) + 'a'",
  'open comments': "'<!-- '.repeat(60_000)",
  backticks: "'`'.repeat(150_001) + 'x'.repeat(150_000)",
  fences: "'```\\n~~~\\n'.repeat(40_000)",
  'open marks of Jira': "'{code:'.repeat(170_000)",
  'marks of Jira': "'{code}{quote}'.repeat(80_000)",
  braces: "'{{'.repeat(500_000)",
  quotations: "'bq. \\n'.repeat(200_000)",
};

test('texts that make a naive expression backtrack are read within the deadline', () => {
  const script = `
    import { matchCommands } from '${builtUrl('webhooks/command.ts')}';
    import { withoutWikiCode } from '${builtUrl('webhooks/senders/atlassian-text.ts')}';
    const options = { trigger: '@agent', commands: ['review', 'fix'] };
    for (const text of [${Object.values(TEXTS).join()}]) {
      for (const spoken of [text, withoutWikiCode(text)]) console.log(matchCommands(spoken, options).matched);
    }
  `;
  // A child process, because the test's own deadline cannot interrupt an expression.
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: DEADLINE_MS });
  expect(out.toString('utf8')).toBe('false\n'.repeat(2 * Object.keys(TEXTS).length));
});
