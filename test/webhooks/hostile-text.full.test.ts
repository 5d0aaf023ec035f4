import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { builtUrl } from '../support/built.ts';
import { DEADLINE_MS } from '../support/until.ts';

const HOSTILE = new URL('./hostile-markup.mjs', import.meta.url).href;

/** Quadratic time would exceed the deadline many times. */
const CHARS = 100_000;

test('markup that makes a careless parser take more than linear time is read within the deadline', () => {
  const script = `
    import { matchCommands, mentionPattern } from '${builtUrl('webhooks/command.ts')}';
    import { readOwnLines } from '${builtUrl('webhooks/markup/own-lines.ts')}';
    import { hostileMarkup } from '${HOSTILE}';
    const options = { trigger: '@agent', commands: ['review', 'fix'] };
    let found = 0;
    let read = 0;
    for (const markup of ['markdown', 'html', 'text', 'jira', 'slack']) {
      for (const text of hostileMarkup(${CHARS}).values()) {
        const { lines } = await readOwnLines({ markup, text }, mentionPattern(options.trigger));
        if (matchCommands(lines, options).matched) found += 1;
        read += 1;
      }
    }
    console.log(found, read > 400);
  `;
  // A child process, because the test's own deadline cannot interrupt an expression.
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: DEADLINE_MS });
  expect(out.toString('utf8')).toBe('0 true\n');
});
