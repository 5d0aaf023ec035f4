import { expect, test } from 'vitest';
import { agentName, commandLine, guessDialect } from '../../../src/cli/run/agent-words.ts';

test.each([
  ['claude -p hi --output-format stream-json --verbose', 'claude'],
  ['/usr/local/bin/claude --output-format=stream-json', 'claude'],
  ['npx -y @anthropic-ai/claude-code@2.1.0 -p --output-format stream-json', 'claude'],
  ['claude -p hi', 'text'],
  ['claude --output-format json', 'text'],
  ['codex exec --json hi', 'codex'],
  ['codex exec hi', 'text'],
  ['npx @openai/codex exec --json', 'codex'],
  ['gemini -p hi --output-format stream-json', 'gemini'],
  ['gemini -o stream-json', 'gemini'],
  ['gemini -p hi', 'text'],
  ['opencode run --format json hi', 'opencode'],
  ['opencode run hi', 'text'],
  ['cat --output-format stream-json', 'text'],
  ['npx', 'text'],
])('"%s" prints %s', (words, dialect) => {
  expect(guessDialect(words.split(' '))).toBe(dialect);
});

test('the name of an agent is its program, without a package runner and a path', () => {
  expect(agentName(['/opt/bin/claude', '-p'])).toBe('claude');
  expect(agentName(['npx', '--yes', 'opencode-ai@latest', 'run'])).toBe('opencode');
  expect(agentName(['npx'])).toBe('npx');
});

test('a command line is quoted for a shell', () => {
  expect(commandLine(['sh', '-c', "echo 'it' $x", '{message}', ''])).toBe(
    `sh -c 'echo '\\''it'\\'' $x' {message} ''`,
  );
});
