import { expect, test } from 'vitest';
import { NO_RESULT, UNKNOWN_USAGE, type Verdict } from '../../src/agent/dialects/dialect.ts';
import { findDialect } from '../../src/agent/dialects/dialects.ts';
import { exitOf } from '../../src/agent/exit-status.ts';
import { judge, type RunEnd, StderrTail } from '../../src/agent/outcome.ts';
import type { AgentOutcome } from '../../src/model/agent-output.ts';
import { linesOf, readLines, recordingsIn } from './reading.ts';

const SILENT: Verdict = { success: undefined, result: 'so far', error: null, usage: UNKNOWN_USAGE };
const GOOD: Verdict = { success: true, result: 'done', error: null, usage: UNKNOWN_USAGE };
const BAD: Verdict = { success: false, result: null, error: 'API Error', usage: UNKNOWN_USAGE };

function ended(exitCode: number | null, more: Partial<RunEnd> = {}): AgentOutcome {
  const exit = { exitCode, signal: null };
  return judge({ exit, verdict: SILENT, model: null, stop: undefined, stderr: '', ...more });
}

/** Dialect, exit code and success of each recorded run; for a failure its type and message. */
type Row = readonly [dialect: string, exitCode: number, success: boolean, type?: string, error?: RegExp];

const WITHOUT_RESULT = /^ended without a result$/;
const RECORDED: Readonly<Record<string, Row>> = {
  'claude-code/demo': ['claude', 0, true],
  'claude-code/demo-2.1.197': ['claude', 0, true],
  'claude-code/partial': ['claude', 0, true],
  'claude-code/subagent': ['claude', 0, true],
  'claude-code/subagent-fg': ['claude', 0, true],
  'claude-code/flaky': ['claude', 0, true],
  'claude-code/broken': ['claude', 0, true],
  'claude-code/unknown-model': ['claude', 0, true],
  'claude-code/denied': ['claude', 0, true],
  'claude-code/error529': ['claude', 1, false, 'agent_error', /^API Error: Repeated 529/],
  'claude-code/maxtokens': ['claude', 1, false, 'agent_error', /^API Error: Claude's response exceeded/],
  'claude-code/sigterm-in-tool': ['claude', 143, false, 'signal', /^killed by SIGTERM$/],
  'claude-code/sigint-in-tool': ['claude', 0, false, 'agent_error', /^error_during_execution, aborted_tools/],
  'claude-code/sigint-in-text': [
    'claude',
    0,
    false,
    'agent_error',
    /^error_during_execution, aborted_streaming/,
  ],
  'codex/demo': ['codex', 0, true],
  'codex/unknown-model': ['codex', 0, true],
  'codex/error401': ['codex', 1, false, 'agent_error', /^unexpected status 401 Unauthorized/],
  'codex/error429': ['codex', 1, false, 'agent_error', /^exceeded retry limit/],
  'codex/maxtokens': ['codex', 1, false, 'agent_error', /max_output_tokens$/],
  'codex/sigint-in-tool': ['codex', 1, false, 'exit_code', /^exited with code 1$/],
  'gemini-cli/demo': ['gemini', 0, true],
  'gemini-cli/maxtokens': ['gemini', 0, true],
  'gemini-cli/error401': ['gemini', 145, false, 'agent_error', /mock says 401/],
  'gemini-cli/error500': ['gemini', 244, false, 'agent_error', /mock says 500/],
  'gemini-cli/broken': ['gemini', 1, false, 'agent_error', /^\[API Error: terminated\]$/],
  'gemini-cli/sigterm-in-tool': ['gemini', 0, false, 'agent_error', WITHOUT_RESULT],
  'opencode/demo': ['opencode', 0, true],
  'opencode/error401': ['opencode', 1, false, 'agent_error', /^mock says 401$/],
  'opencode/sigterm-in-tool': ['opencode', 143, false, 'signal', /^killed by SIGTERM$/],
};

test('every recording has an expected outcome in this file', () => {
  const folders = ['claude-code', 'codex', 'gemini-cli', 'opencode'];
  const recordings = folders.flatMap((folder) => recordingsIn(folder).map((name) => `${folder}/${name}`));
  expect(Object.keys(RECORDED).sort()).toEqual(recordings.sort());
});

test.each(Object.entries(RECORDED))(
  '%s has the outcome of its exit code and its result line',
  (recording, row) => {
    const [dialect, exitCode, success, errorType, error] = row;
    const verdict = readLines(findDialect(dialect), linesOf(recording)).reader.verdict();
    const outcome = ended(exitCode, { verdict });
    expect(outcome).toMatchObject({ success, error: success ? null : expect.stringMatching(error ?? /^$/) });
    expect(outcome.errorType).toBe(errorType);
    // With any result line, a failing or unknown exit code is a failure.
    expect(ended(7, { verdict }).success).toBe(false);
    expect(ended(null, { verdict })).toMatchObject({
      success: false,
      errorType: 'lost',
      result: verdict.result,
    });
  },
);

test('an unknown exit code is a failure, and the result of the agent is kept', () => {
  const gone = 'its process ended unobserved: the exit code is unknown';
  expect(ended(null, { verdict: GOOD })).toEqual({
    success: false,
    result: 'done',
    error: gone,
    errorType: 'lost',
    exitCode: null,
    signal: null,
    usage: UNKNOWN_USAGE,
    model: null,
  });
  expect(ended(null).error).toBe(gone);
  expect(ended(null, { verdict: BAD }).error).toBe(`${gone}: API Error`);
  expect(ended(null, { stderr: 'trouble' }).error).toBe(`${gone}: trouble`);
});

test('a failing exit code or a signal takes precedence over a successful result line', () => {
  expect(ended(3, { verdict: GOOD })).toMatchObject({
    errorType: 'exit_code',
    error: 'exited with code 3',
    result: 'done',
  });
  expect(ended(137, { verdict: GOOD })).toMatchObject({ success: false, errorType: 'signal' });
});

test('a run that ended by a signal names it, with the last lines of standard error', () => {
  expect(ended(139, { stderr: 'core dumped' })).toMatchObject({
    error: 'killed by SIGSEGV: core dumped',
    errorType: 'signal',
    exitCode: null,
    signal: 'SIGSEGV',
  });
  expect(ended(143, { verdict: BAD, stderr: 'noise' }).error).toBe('killed by SIGTERM: API Error');
  const exit = { exitCode: null, signal: 'SIGTERM' };
  expect(ended(null, { exit, verdict: NO_RESULT }).error).toBe('killed by SIGTERM');
});

test('the reason of a stop takes precedence over the exit code', () => {
  const stop = { errorType: 'timeout', error: 'timed out after 5 ms' };
  for (const code of [0, 1, 137, null]) {
    expect(ended(code, { verdict: GOOD, stop, oomKilled: true })).toMatchObject({ ...stop, success: false });
  }
});

test('SIGKILL is out of memory only when the system killed for lack of memory', () => {
  expect(ended(137, { oomKilled: true, stderr: 'x' })).toMatchObject({
    errorType: 'out_of_memory',
    error: 'out of memory, killed by SIGKILL: x',
    signal: 'SIGKILL',
  });
  expect(ended(137, { oomKilled: false })).toMatchObject({ errorType: 'signal', error: 'killed by SIGKILL' });
  expect(ended(137).errorType).toBe('signal');
  expect(ended(143, { oomKilled: true }).errorType).toBe('signal');
  expect(ended(1, { oomKilled: true }).errorType).toBe('exit_code');
});

const HEAP = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory';

test.each([
  [134, HEAP],
  [1, HEAP],
  [133, '# Fatal JavaScript out of memory: Reached heap limit'],
  [2, 'fatal error: runtime: out of memory'],
  [134, 'memory allocation of 4294967296 bytes failed'],
  [134, "terminate called after throwing an instance of 'std::bad_alloc'"],
])('exit code %i with %j on standard error is out of memory', (code, stderr) => {
  const outcome = ended(code, { stderr });
  expect(outcome.errorType).toBe('out_of_memory');
  expect(outcome.error).toMatch(/^out of memory, (killed by SIG|exited with code )/);
  expect(outcome.error).toContain(stderr);
});

test('a line that only mentions memory is not out of memory', () => {
  expect(ended(134, { stderr: 'Assertion failed' }).errorType).toBe('signal');
  expect(ended(1, { stderr: 'the test says: out of memory errors are fine' }).errorType).toBe('exit_code');
  expect(ended(1, { stderr: HEAP, verdict: BAD })).toMatchObject({
    errorType: 'agent_error',
    error: 'API Error',
  });
  expect(ended(0, { stderr: HEAP }).success).toBe(true);
});

test('an out-of-memory message is kept above the stack that follows it', () => {
  const tail = new StderrTail();
  tail.add(`${HEAP}\n`);
  for (let frame = 1; frame <= 30; frame++) tail.add(`${frame}: 0x${frame}a node::Abort\n`);
  const [first, gap, ...rest] = tail.text().split('\n');
  expect([first, gap, rest.length]).toEqual([HEAP, '...', 10]);
  expect(ended(134, { stderr: tail.text() }).errorType).toBe('out_of_memory');
});

const SIGNALS: Readonly<Record<number, string>> = {
  129: 'SIGHUP',
  130: 'SIGINT',
  134: 'SIGABRT',
  137: 'SIGKILL',
  139: 'SIGSEGV',
  141: 'SIGPIPE',
  143: 'SIGTERM',
};

test.each(Object.entries(SIGNALS))('exit code %i of a shell is %s', (code, signal) => {
  expect(exitOf(Number(code))).toEqual({ exitCode: null, signal });
});

// From 144 on: the HTTP statuses 400, 401, 403, 404, 429, 500, 503 modulo 256.
test.each([0, 1, 126, 127, 128, 144, 145, 147, 148, 173, 244, 247, 255])(
  'exit code %i of a shell is not a signal',
  (code) => {
    expect(exitOf(code)).toEqual({ exitCode: code, signal: null });
  },
);

test.each([Number.NaN, -1, 256, 1.5, Number.POSITIVE_INFINITY])('%d is not an exit code', (code) => {
  expect(exitOf(code)).toEqual({ exitCode: null, signal: null });
});

test('a token is redacted before the line is cut', () => {
  const tail = new StderrTail();
  tail.add(`${'x'.repeat(285)} ghp_${'a'.repeat(36)} and more\n`);
  expect(tail.text()).toContain('[redacted:');
  expect(tail.text()).not.toContain('ghp_');
});

test('the last lines that are not blank are kept', () => {
  const tail = new StderrTail();
  for (let number = 0; number < 20; number += 1) tail.add(`line ${number}\n\n`);
  tail.add('   \n');
  expect(tail.text().split('\n')).toEqual(Array.from({ length: 10 }, (_, index) => `line ${index + 10}`));
});
