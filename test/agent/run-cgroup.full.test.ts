import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endRunGroup, makeRunGroup, ownGroup, processesInGroup } from '../../src/agent/run-cgroup.ts';
import { readStat } from '../../src/system/process-table.ts';
import { tempDir } from '../support/log-dir.ts';
import { Workshop } from './agent-run.ts';

/** Only a kernel with control groups that this user may make can show that they are killed. */
function isOffered(): boolean {
  const group = makeRunGroup(`probe-${process.pid}`);
  if (group === undefined) return false;
  rmdirSync(group);
  return true;
}

function isAlive(pid: number): boolean {
  try {
    return !['Z', 'X'].includes(readStat(pid).state);
  } catch {
    // ENOENT: it has ended.
    return false;
  }
}

let shop: Workshop;

beforeEach(async () => {
  shop = await Workshop.open();
});

afterEach(() => shop.close());

describe.skipIf(!isOffered())('the control group of a run', () => {
  test('finds what has removed its mark and left its session, and goes with the run', async () => {
    const pidFile = shop.path('pid');
    const script = `env -i setsid sh -c 'echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec /bin/sleep 300' > /dev/null 2>&1 &
      while [ ! -e ${pidFile} ]; do sleep 0.02; done; cat /proc/self/cgroup`;
    const { outcome, recording } = await shop.run(['sh', '-c', script]);
    expect(outcome.success).toBe(true);
    const pid = Number(await readFile(pidFile, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    expect(isAlive(pid)).toBe(false);
    const name = /0::.*(tasktrail-run-[0-9a-f-]+)/.exec(recording.text())?.[1] ?? '';
    expect(name).not.toBe('');
    expect(existsSync(join(ownGroup() ?? '', name))).toBe(false);
  });

  test('is killed with the groups below it', async () => {
    const group = makeRunGroup(`test-${process.pid}`) ?? '';
    mkdirSync(join(group, 'below', 'deeper'), { recursive: true });
    expect(processesInGroup(group)).toEqual([]);
    await endRunGroup(group);
    expect(existsSync(group)).toBe(false);
  });
});

test('where no control group can be made, a run has none', async () => {
  expect(makeRunGroup('a', undefined === ownGroup() ? undefined : await tempDir())).toBeUndefined();
  expect(makeRunGroup('a', '/proc')).toBeUndefined();
});

test('a folder that is no group of a run is never killed or removed', async () => {
  const directory = await tempDir();
  await endRunGroup(directory);
  expect(processesInGroup(directory)).toEqual([]);
  expect(existsSync(directory)).toBe(true);
});
