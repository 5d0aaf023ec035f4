import { describe, expect, test } from 'vitest';
import { findDialect } from '../../src/agent/dialects/dialects.ts';
import { ReasonLines, withReason } from '../../src/agent/failure-reason.ts';
import { judge } from '../../src/agent/outcome.ts';
import type { AgentOutcome } from '../../src/model/agent-output.ts';
import { linesOf, readLines } from './reading.ts';

function reasonOf(...lines: readonly string[]): string {
  const reasons = new ReasonLines();
  for (const line of lines) reasons.add(line);
  return reasons.text();
}

test.each([
  'TerminalQuotaError: You have exhausted your daily quota on this model.',
  'Error: connect ECONNREFUSED 127.0.0.1:443',
  'error: unexpected argument',
  'fatal: not a git repository',
  'API Error: 429 rate limited',
  'Error when talking to Gemini API Full report available at: /tmp/x.json',
  '2026-11-20T10:00:00.123Z ERROR codex_core::client: stream error',
  '[ERROR] agent: cannot go on',
  '\u001b[31mError: red\u001b[0m',
  '❌ Error: with a symbol',
  'java.lang.IllegalStateException: closed',
  'You have exceeded your quota.',
  'Not logged in · Please run /login',
  'Credit balance is too low',
])('"%s" is a reason', (line) => {
  expect(reasonOf('Loaded cached credentials.', `${line}\n`, 'bye\n')).toBe(
    line.replace('\u001b[31m', '').replace('\u001b[0m', ''),
  );
});

test.each([
  'Loaded cached credentials.',
  'Attempt 1 failed with status 429. Retrying with backoff...',
  'quota exceeded, retrying in 5 s',
  '    at Error: (file.js:3:4)',
  '  [cause]: Error: inner',
  'no errors: all is well',
  'Error',
  `Error: ${'x'.repeat(5_000)}`,
])('"%s" is none', (line) => {
  expect(reasonOf(`${line}\n`)).toBe('');
});

test('the last named error wins, before a line without a name', () => {
  expect(reasonOf('Error: first', 'Error: second', 'over quota', 'bye')).toBe('Error: second');
});

test('a reason is redacted, and cut between whole characters', () => {
  const token = `ghp_${'a1B2'.repeat(9)}`;
  expect(reasonOf(`Error: ${'x'.repeat(280)} ${token}`)).not.toContain('ghp_a1B2');
  const cut = reasonOf(`Error: ${'x'.repeat(292)}😀 and more`);
  expect(cut).toBe(`Error: ${'x'.repeat(292)}...`);
});

test('a line that is made to be slow is not', { timeout: 5_000 }, () => {
  const reasons = new ReasonLines();
  for (const line of ['a '.repeat(2_000), 'E'.repeat(4_000), '['.repeat(4_000), '12:00:00 '.repeat(400)])
    for (let n = 0; n < 2_000; n++) reasons.add(line);
  expect(reasons.text()).toBe('');
});

test('words that have a reason are left alone, words without one get it', () => {
  for (const words of [
    'overloaded',
    'error_during_execution',
    'UnknownError',
    '[API Error: An unknown error occurred.]',
  ])
    expect(withReason(words, 'Error: why')).toBe(`${words}: Error: why`);
  expect(withReason('429 Too Many Requests', 'Error: why')).toBe('429 Too Many Requests');
  expect(withReason('an unknown Error: why', 'Error: why')).toBe('an unknown Error: why');
  expect(withReason('error', '')).toBe('error');
});

describe('the error of a run', () => {
  const QUOTA = 'TerminalQuotaError: You have exhausted your daily quota on this model.';

  function ended(
    dialect: string,
    lines: readonly string[],
    more: Partial<Parameters<typeof judge>[0]> = {},
  ): AgentOutcome {
    const { reader } = readLines(findDialect(dialect), lines);
    const exit = { exitCode: 1, signal: null };
    return judge({ exit, verdict: reader.verdict(), model: null, stop: undefined, stderr: '', ...more });
  }

  /** A failure of each dialect that says nothing. */
  const EMPTY: Readonly<Record<string, object>> = {
    claude: { type: 'result', subtype: 'error_during_execution', is_error: true },
    codex: { type: 'turn.failed', error: {} },
    cursor: { type: 'result', subtype: 'error', is_error: true },
    gemini: {
      type: 'result',
      status: 'error',
      error: { message: '[API Error: An unknown error occurred.]' },
    },
    opencode: { type: 'error', error: { name: 'UnknownError' } },
    qwen: { type: 'result', subtype: 'error_during_execution', is_error: true },
  };

  test.each(Object.entries(EMPTY))('of %s holds the reason from its plain output', (dialect, failure) => {
    const { errorType, error } = ended(dialect, [JSON.stringify(failure)], { reason: QUOTA });
    expect(errorType).toBe('agent_error');
    expect(error).toMatch(/^.+: TerminalQuotaError: You have exhausted your daily quota on this model\.$/);
  });

  test.each(Object.keys(EMPTY))('of %s without a last word holds it too', (dialect) => {
    const reasons = { stderr: `Loaded.\n${QUOTA}`, reason: QUOTA };
    expect(ended(dialect, [], reasons).error).toBe(`exited with code 1: Loaded.\n${QUOTA}`);
    const ok = { exit: { exitCode: 0, signal: null } };
    expect(ended(dialect, [], { ...ok, reason: QUOTA }).error).toBe(`ended without a result: ${QUOTA}`);
  });

  test('leads the tail of standard error when a stack trace has pushed it out', () => {
    const stderr = Array.from({ length: 10 }, (_, n) => `    at f${n} (file.js)`).join('\n');
    expect(ended('text', [], { stderr, reason: QUOTA }).error).toBe(
      `exited with code 1: ${QUOTA}\n...\n${stderr}`,
    );
  });

  test('is found among the lines of a recording', () => {
    const lines = linesOf('made/gemini-quota');
    const reason = reasonOf(...lines.filter((line) => !line.startsWith('{')));
    expect(ended('auto', lines, { reason }).error).toBe(`[API Error: An unknown error occurred.]: ${QUOTA}`);
  });
});
