import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { agentAccessNotes } from '../../src/service/agent-access.ts';
import { tempDir } from '../doctor/subject.ts';

test('a variable that several agents lack is named once, with all of them', () => {
  const cwd = tempDir();
  const agents = {
    first: { command: ['claude', '-p'], env: ['MISSING_HERE'] },
    second: { command: ['claude', '-c'], env: ['MISSING_HERE'] },
    third: { command: ['codex'] },
  };
  writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents }));
  vi.stubEnv('ANTHROPIC_API_KEY', 'any-value-of-a-key');
  onTestFinished(() => void vi.unstubAllEnvs());
  const notes = agentAccessNotes(loadConfig({ env: { TASK_LOGS_DIR: cwd }, cwd }), false);
  expect(notes).toEqual([
    'ANTHROPIC_API_KEY is set and not handed to the agents first, second: name it in agents.first.env, agents.second.env',
    'MISSING_HERE is not set, so the agents first, second start without it',
  ]);
});
