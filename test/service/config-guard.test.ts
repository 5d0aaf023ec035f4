import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Config, ConfigOptions } from '../../src/config/config.ts';
import { checkChangedFiles } from '../../src/doctor/changed-files.ts';
import { acceptConfigFiles, checkConfigFiles, rememberConfigFiles } from '../../src/service/config-guard.ts';
import { ConfigMemory } from '../../src/store/config-memory.ts';
import { ownIdentity, type ProcessIdentity } from '../../src/system/process-identity.ts';
import { type ProjectDir, projectDir } from '../support/project-dir.ts';

const FILE = 'tasktrail.config.json';
const HOUR_MS = 3_600_000;

const GONE: ProcessIdentity = { ...ownIdentity(), pid: 2 ** 22 + 1 };

interface Guarded extends ProjectDir {
  config(options?: ConfigOptions): Config;
  start(options?: ConfigOptions): Promise<void>;
  /** Agents worked in the directory in this time, relative to now. */
  agents(fromMs: number, toMs: number | null, owner?: ProcessIdentity, directory?: string): Promise<void>;
}

function guarded(): Guarded {
  const project = projectDir();
  const env = { TASK_LOGS_DIR: projectDir().cwd };
  const config = (options: ConfigOptions = {}): Config => project.load({ env, ...options });
  let runs = 0;
  return {
    ...project,
    config,
    start: async (options) => {
      await checkConfigFiles(config(options));
      await rememberConfigFiles(config(options));
    },
    agents: (from, to, owner = ownIdentity(), directory = project.cwd) => {
      runs += 1;
      const now = Date.now();
      return new ConfigMemory(config().memoryDir).writeRuns(`agents-${runs}.json`, {
        process: owner,
        log_dir: env.TASK_LOGS_DIR,
        directories: [directory],
        spans: [[now + from, to === null ? null : now + to]],
      });
    },
  };
}

test('a file that was written while an agent could write it stops the next start, which names it', async () => {
  const project = guarded();
  const path = project.put(FILE, { trigger: '@bot' });
  await project.start();
  project.put(FILE, { trigger: '@evil' });
  await project.agents(-HOUR_MS, HOUR_MS);
  await expect(project.start()).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringMatching(
      new RegExp(
        `^${path}: changed at 20.*, while an agent ran that works in ${project.cwd}\n.*tasktrail config --accept`,
      ),
    ),
  });
  // The refusal remembers nothing, and neither does the doctor.
  const subject = { config: project.config(), env: {}, cwd: project.cwd, version: '0', clocks: new Map() };
  await expect(checkChangedFiles(subject)).resolves.toMatchObject([
    { level: 'problem', where: path, advice: expect.stringContaining('tasktrail config --accept') },
  ]);
  await expect(project.start()).rejects.toThrow(path);
  await acceptConfigFiles(project.config());
  await expect(checkChangedFiles(subject)).resolves.toEqual([]);
});

test('an unchanged file is fine, and so is one that was changed while no agent ran', async () => {
  const project = guarded();
  project.put(FILE, { trigger: '@bot' });
  await project.agents(-HOUR_MS, HOUR_MS, undefined, '/somewhere/else');
  await project.start();
  await project.agents(-HOUR_MS, -HOUR_MS / 2);
  project.put(FILE, { trigger: '@changed' });
  await project.start();
  await project.agents(-HOUR_MS, HOUR_MS);
  // The same content again.
  project.put(FILE, { trigger: '@changed' });
  await project.start();
});

test.each<[what: string, write: (project: Guarded) => void, path: string]>([
  ['a new file', ({ put }) => void put(FILE, { trigger: '@evil' }), FILE],
  [
    'a new file of a plugin',
    ({ put }) => void put('.fractary/plugins/faber/config.json', { logging: {} }),
    'faber',
  ],
  [
    'a folder that was moved into its place with an older file',
    ({ cwd }) => renameSync(join(cwd, 'prepared'), join(cwd, '.fractary')),
    'faber',
  ],
  ['a link to an older file', ({ cwd }) => symlinkSync(join(cwd, 'old.json'), join(cwd, FILE)), FILE],
  ['a file that was moved there', ({ cwd }) => renameSync(join(cwd, 'old.json'), join(cwd, FILE)), FILE],
])('%s stops the start as well', async (_, write, path) => {
  const project = guarded();
  project.put('old.json', { trigger: '@evil' });
  project.put('prepared/plugins/faber/config.json', { logging: { emit_workflow_events: false } });
  await project.start();
  const before = Date.now();
  await expect.poll(() => Date.now() - before).toBeGreaterThan(150);
  const fromMs = before + 100 - Date.now();
  write(project);
  await project.agents(fromMs, HOUR_MS);
  await expect(project.start()).rejects.toThrow(path);
});

test('a file that was removed while an agent ran stops the start', async () => {
  const project = guarded();
  const path = project.put(FILE, { trigger: '@bot' });
  await project.start();
  rmSync(path);
  await project.agents(-HOUR_MS, HOUR_MS);
  await expect(project.start()).rejects.toThrow(path);
});

test('without an earlier start, a file from the time of an agent is refused, too', async () => {
  const project = guarded();
  await project.agents(-HOUR_MS, HOUR_MS);
  await project.start();
  const other = guarded();
  other.put(FILE, {});
  await other.agents(-HOUR_MS, HOUR_MS);
  await expect(other.start()).rejects.toThrow(FILE);
});

test('an accepted file is fine from then on, also in the middle of the time', async () => {
  const project = guarded();
  project.put(FILE, {});
  await project.agents(-HOUR_MS, HOUR_MS);
  await expect(project.start()).rejects.toThrow(FILE);
  await acceptConfigFiles(project.config());
  await project.start();
  project.put(FILE, { trigger: '@evil' });
  await expect(project.start()).rejects.toThrow(FILE);
});

test('while an agent runs nothing is accepted', async () => {
  const project = guarded();
  project.put(FILE, {});
  await project.agents(-HOUR_MS, null);
  await expect(acceptConfigFiles(project.config())).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await expect(project.start()).rejects.toThrow(FILE);
});

test('after a kill the time ends with the last agent: its exit code tells when', async () => {
  const project = guarded();
  const run = join(project.config().logDir, '_agent', 'task-1', 'run-1');
  mkdirSync(run, { recursive: true });
  await project.start();
  await project.agents(-HOUR_MS, null, GONE);
  // No exit code: nothing tells the end.
  project.put(FILE, { trigger: '@late' });
  await expect(project.start()).rejects.toThrow(FILE);
  rmSync(join(project.cwd, FILE));
  writeFileSync(join(run, 'exit'), '0');
  const before = Date.now();
  await expect.poll(() => Date.now() - before).toBeGreaterThan(100);
  project.put(FILE, { trigger: '@late' });
  await project.start();
});

test('after a kill, another log directory in a changed file hides no agent', async () => {
  const project = guarded();
  mkdirSync(join(project.config().logDir, '_agent', 'task-1', 'run-1'), { recursive: true });
  const { memoryDir } = project.config();
  await project.start();
  await project.agents(-HOUR_MS, null, GONE);
  project.put(FILE, { trigger: '@evil' });
  await expect(checkConfigFiles({ ...project.config(), logDir: '/nowhere', memoryDir })).rejects.toThrow(
    FILE,
  );
});

test('after a restart of the machine the agents are gone', async () => {
  const project = guarded();
  await project.start();
  project.put(FILE, { trigger: '@late' });
  await project.agents(-1_000 * HOUR_MS, null, { ...GONE, start: `00000000-1-${GONE.start.split('-')[2]}` });
  await project.start();
});

test('what .env says about the log directory does not move the memory', () => {
  const project = projectDir();
  const envFile = {
    path: '/x/.env',
    names: new Set(['TASK_LOGS_DIR', 'XDG_STATE_HOME']),
    problems: [],
    notes: [],
    sha256: 'x',
  };
  const variables = { TASK_LOGS_DIR: '/evil', XDG_STATE_HOME: '/evil-state' };
  const config = project.load({}, { variables, envFile });
  expect(config.logDir).toBe('/evil');
  expect(config.memoryDir).toBe(project.load({ env: {} }).logDir);
});

test('of the git configuration only the names that complete the bucket count', async () => {
  const project = guarded();
  const env = { TASK_LOGS_DIR: project.config().logDir, TASK_LOGS_S3_BUCKET: `\${ORG}.logs` };
  const remote = (owner: string): string => `[remote "origin"]\n\turl = git@github.com:${owner}/repo.git\n`;
  const path = project.put('.git/config', remote('acme'));
  await project.start({ env });
  await project.agents(-HOUR_MS, HOUR_MS);
  project.put('.git/config', `${remote('acme')}[branch "main"]\n\tremote = origin\n`);
  await project.start({ env });
  project.put('.git/config', remote('evil'));
  await expect(project.start({ env })).rejects.toThrow(path);
  await project.start();
});

test('a log directory that the first start makes has the mode of the settings', async () => {
  const project = projectDir();
  const logDir = join(project.cwd, 'logs');
  await rememberConfigFiles(project.load({ env: { TASK_LOGS_DIR: logDir, TASK_LOGS_FILE_MODE: '0640' } }));
  expect(statSync(logDir).mode & 0o777).toBe(0o750);
  await rememberConfigFiles(project.load({ env: { TASK_LOGS_DIR: join(project.cwd, 'private') } }));
  expect(statSync(join(project.cwd, 'private')).mode & 0o777).toBe(0o700);
});

test('a log directory that cannot be made is an error that names it', async () => {
  const project = projectDir();
  const file = project.put('file', {});
  await expect(rememberConfigFiles(project.load({ env: { TASK_LOGS_DIR: file } }))).rejects.toMatchObject({
    code: 'ERR_DIRECTORY_UNUSABLE',
    message: expect.stringContaining(
      `TASK_LOGS_DIR: the state of the configuration files cannot be kept in ${file}: `,
    ),
  });
});
