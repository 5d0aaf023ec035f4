import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { MAIN } from '../support/built.ts';

const FOLDER = resolve(import.meta.dirname, '../../examples/systemd');
const unit = await readFile(join(FOLDER, 'tasktrail.service'), 'utf8');

const found = spawnSync('systemd-analyze', ['--version']);
if (found.status !== 0) process.stderr.write('skipped: systemd-analyze is not installed\n');

describe.skipIf(found.status !== 0)('systemd-analyze verify', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tasktrail-unit-'));
  });

  afterEach(() => rm(dir, { recursive: true }));

  /** Verifies the unit with programs of this machine. Unknown lines are only warnings on stderr. */
  async function verify(text: string): Promise<readonly [number | null, string]> {
    const path = join(dir, 'tasktrail.service');
    await writeFile(path, text.replace(/^ExecStart=.*/m, `ExecStart=${process.execPath} ${MAIN} start`));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
      encoding: 'utf8',
    });
    return [status, stderr];
  }

  test('accepts the unit without warnings', async () => {
    expect(await verify(unit)).toEqual([0, '']);
  });

  test('detects an unknown value', async () => {
    const [, said] = await verify(unit.replace('KillMode=process', 'KillMode=proces'));
    expect(said).toContain('Failed to parse kill mode');
  });
});

test('the unit keeps agents alive after a crash of the service or an out-of-memory kill of another process', () => {
  expect(unit).toMatch(/^KillMode=process$/m);
  expect(unit).toMatch(/^OOMPolicy=continue$/m);
  // The service reads process identities and OOM kills in /proc, and V8 needs writable executable memory.
  expect(unit).not.toMatch(/^(?:ProcSubset|MemoryDenyWriteExecute)=/m);
});

test('TimeoutStopSec exceeds the deadlines of a clean stop', async () => {
  const source = await readFile(resolve(import.meta.dirname, '../../src/service/start.ts'), 'utf8');
  const deadlines = [...source.matchAll(/^const \w+_DEADLINE_MS = ([\d_]+);/gm)];
  const needed = deadlines.reduce((sum, [, ms = '']) => sum + Number(ms.replaceAll('_', '')), 0);
  expect(needed).toBeGreaterThan(5_000);
  const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
  expect(Number(seconds) * 1_000).toBeGreaterThan(needed);
});

test('every setting in the environment file exists, and its value is valid', async () => {
  const text = await readFile(join(FOLDER, 'tasktrail.env'), 'utf8');
  const lines = [...text.matchAll(/^#?([A-Z_]+)=(.*)$/gm)];
  expect(lines.length).toBeGreaterThan(4);
  const env = Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]));
  const config = loadConfig({ env, cwd: tmpdir() });
  // What agents get is a variable of theirs.
  const known = [...Object.keys(config.sources), ...config.agentEnv];
  expect(Object.keys(env).filter((name) => !known.includes(name))).toEqual([]);
  expect(config.agents.default?.dialect).toBe('auto');
});
