import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { tempDir } from '../doctor/subject.ts';

const OPEN = '$' + '{';

function load(file: object, env: Readonly<Record<string, string>> = {}, recordsOnly = false): Config {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify(file));
  return loadConfig({ env: { TASK_LOGS_DIR: cwd, ...env }, cwd, recordsOnly });
}

test('a file for a setting that is not read from one is named at the start', () => {
  const env = { PORT_FILE: '/run/secrets/port', TASK_LOGS_CONCURRENCY_FILE: 'x', PORT: '' };
  expect(load({}, env).notes).toEqual([
    'PORT_FILE is not used: set PORT itself (a file may hold only secrets and REDIS_URL)',
    'TASK_LOGS_CONCURRENCY_FILE is not used: set TASK_LOGS_CONCURRENCY itself (a file may hold only secrets and REDIS_URL)',
  ]);
  // PROJECT_FILE and the like may be another program's.
  expect(load({}, { PORT_FILE: 'x', PROJECT_FILE: 'x' }, true).notes).toEqual([]);
});

test('a variable with the prefix of settings that no setting has is named at the start', () => {
  const env = { TASK_LOGS_FYSNC: 'always', TASK_LOGS_PORT: '1', TASK_LOGS_TASK_ID: 'task-1' };
  expect(load({}, env).notes).toEqual([
    'TASK_LOGS_FYSNC: no setting has this name: correct the name (tasktrail config lists them)',
    'TASK_LOGS_PORT: no setting has this name: use PORT',
  ]);
  // A library and the commands that only record do not have the service's output.
  expect(load({}, env, true).notes).toEqual([]);
});

test.each([
  `${OPEN}CI_SECRET`,
  `abc${OPEN}CI-SECRET}0123456789`,
  `${OPEN}}0123456789012345`,
  `${OPEN}CI_SECRET}${OPEN}`,
])('a secret with a broken reference is refused: %s', (secret) => {
  const webhooks = { ci: { preset: 'gitea', secret } };
  expect(() => load({ webhooks }, { CI_SECRET: 'a secret of the tests' })).toThrow(
    /webhooks\.ci\.secret: a "\$\{" is not the beginning of \$\{NAME\}/,
  );
});

test('a variable of an agent with an open reference is refused; the forms of a shell stay', () => {
  const agents = (value: string): object => ({
    agents: { own: { command: ['true'], env: { VALUE: value } } },
  });
  expect(() => load(agents(`a${OPEN}HOME`))).toThrow(/agents\.own\.env.*has no "\}"/s);
  expect(load(agents(`${OPEN}NAME:-x}`)).agents.own?.env).toEqual({ VALUE: `${OPEN}NAME:-x}` });
});
