import { expect, test } from 'vitest';
import { agentName, commandLine } from '../../../src/cli/run/agent-words.ts';

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
