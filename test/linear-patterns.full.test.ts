import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { sourcePatterns } from './support/patterns.ts';
import { DEADLINE_MS } from './support/until.ts';

const GROWTH = new URL('./support/pattern-growth.mjs', import.meta.url).pathname;

/** The times of these are measured although their form is not linear: their reasons stand in `linear-patterns.test.ts`. */
const EXEMPT =
  /^(?:(?:redact|cli\/demo|cli\/webhook|config)\/|agent\/allowed-variables|trail\/agents\/(?:agent-environment|send-left-records))/;

/** Length of the shortest text. A quadratic pattern takes tens of milliseconds with four times as many characters. */
const CHARS = 4_000;

/** A child process, because the test's own deadline cannot interrupt an expression. */
function growing(patterns: readonly { key: string; source: string; flags: string }[]): unknown {
  const input = JSON.stringify({ patterns, chars: CHARS });
  const out = execFileSync(process.execPath, [GROWTH], { input, timeout: 4 * DEADLINE_MS });
  return JSON.parse(out.toString('utf8'));
}

test('twice the hostile text takes no pattern more than 2.3 times as long', {
  timeout: 4 * DEADLINE_MS,
}, () => {
  const patterns = sourcePatterns()
    .literals.filter(({ file }) => !EXEMPT.test(file))
    .map(({ file, source, flags }) => ({ key: `${file} /${source}/${flags}`, source, flags }));
  expect(patterns.length).toBeGreaterThan(150);
  expect(growing(patterns)).toEqual([]);
});

test('a quadratic pattern is found', () => {
  const patterns = [{ key: 'quadratic', source: 'x+$', flags: '' }];
  expect(growing(patterns)).toEqual([expect.stringContaining('quadratic with')]);
});
