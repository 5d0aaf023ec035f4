import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identityOf } from '../../src/system/process-identity.ts';
import { endProcesses, findGroupLeader, findProcesses, killGroup } from '../../src/system/processes.ts';
import { builtUrl } from '../support/built.ts';
import { tempDir } from '../support/log-dir.ts';

const PATH = process.env.PATH ?? '';
const VARIABLE = 'TASKTRAIL_TEST_TREE';
/** A script that reports that it is running, and waits. */
const WAIT = '>"$READY"; exec sleep 60';

let directory: string;
let tree: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  directory = await tempDir();
  tree = `tree-${crypto.randomUUID()}`;
});

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await endProcesses(findTree, { graceMs: 0 });
});

function findTree(): readonly number[] {
  return findProcesses(VARIABLE, (value) => value === tree);
}

/** Runs a shell script as leader of a process group. Resolves when the script has made the file `$READY`. */
async function start(
  script: string,
  env: Record<string, string> = { [VARIABLE]: tree },
): Promise<ChildProcess> {
  const ready = join(directory, crypto.randomUUID());
  const child = spawn('/bin/sh', ['-c', script], {
    env: { PATH, READY: ready, ...env },
    detached: true,
    stdio: 'ignore',
  });
  started.push(child);
  await expect.poll(() => existsSync(ready)).toBe(true);
  return child;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // ENOENT: it has ended.
    return false;
  }
}

describe.skipIf(!existsSync('/proc/self/environ'))('a process tree', () => {
  test('is empty when no process has the variable', async () => {
    expect(findTree()).toEqual([]);
    expect(await endProcesses(findTree)).toBe(0);
  });

  test('is found by the variable alone, at any place in the environment', async () => {
    // Not through a shell, which would sort the environment.
    const env = { A_NOTE: `x ${VARIABLE}=y`, [`OLD_${VARIABLE}`]: 'other', [VARIABLE]: tree, PATH };
    const child = spawn('sleep', ['60'], { env, stdio: 'ignore' });
    started.push(child);
    await expect.poll(findTree).toEqual([child.pid]);
  });

  test('has no process with another value, another variable, or the text elsewhere', async () => {
    const others = await Promise.all([
      start(WAIT, {}),
      start(WAIT, { [VARIABLE]: `${tree}x` }),
      start(WAIT, { [`MY_${VARIABLE}`]: tree }),
      start(WAIT, { NOTE: `${VARIABLE}=${tree}` }),
      start(`${WAIT} # ${VARIABLE}=${tree}`, {}),
    ]);
    expect(await endProcesses(findTree)).toBe(0);
    expect(others.map(isRunning)).toEqual(others.map(() => true));
  });

  test('does not include the process that searches', async () => {
    // /proc shows the environment at the start of a process, so the search needs a process of its own.
    const source = `import { endProcesses, findProcesses } from ${JSON.stringify(builtUrl('system/processes.ts'))};
      process.stdout.write(String(await endProcesses(() => findProcesses('${VARIABLE}', () => true))));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      env: { PATH, [VARIABLE]: tree },
    });
    started.push(child);
    let printed = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const [code] = await once(child, 'close');
    expect([code, printed]).toEqual([0, '0']);
  });

  test('is ended with a process that has its own session, no living parent and hardly an environment', async () => {
    const file = join(directory, 'pid');
    const tool = `env -i ${VARIABLE}=$${VARIABLE} PATH=$PATH setsid sh -c 'echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 60' &`;
    const parent = await start(`${tool} while [ ! -e ${file} ]; do sleep 0.01; done; >"$READY"`);
    const pid = Number(readFileSync(file, 'utf8'));
    await expect.poll(() => isRunning(parent)).toBe(false);
    await expect.poll(findTree).toEqual([pid]);
    expect(await endProcesses(findTree)).toBe(1);
    expect(isAlive(pid)).toBe(false);
  });

  test('gets SIGTERM first and time to exit', async () => {
    const child = await start(`trap 'sleep 0.2; exit 7' TERM; >"$READY"; while :; do sleep 0.05; done`);
    await endProcesses(findTree);
    await expect.poll(() => child.exitCode).toBe(7);
  });

  test('gets SIGKILL when it ignores SIGTERM', async () => {
    const child = await start(`trap '' TERM; >"$READY"; while :; do sleep 0.05; done`);
    await endProcesses(findTree);
    await expect.poll(() => child.signalCode).toBe('SIGKILL');
    expect(findTree()).toEqual([]);
  });

  test('gets SIGKILL at once without a grace period', async () => {
    const child = await start(`trap 'exit 7' TERM; >"$READY"; while :; do sleep 0.05; done`);
    await endProcesses(findTree, { graceMs: 0 });
    await expect.poll(() => child.signalCode).toBe('SIGKILL');
  });

  test('is ended while it forks, also when it ignores SIGTERM', async () => {
    // Each process starts the next one and exits.
    const script = join(directory, 'chain.sh');
    writeFileSync(script, `trap '' TERM; sleep 0.02; /bin/sh "$0" & exit 0`);
    await start(`/bin/sh ${script} & /bin/sh ${script} & >"$READY"; wait`);
    await endProcesses(findTree);
    await expect.poll(findTree).toEqual([]);
  });

  test('that cannot be ended is given up', async () => {
    const child = await start('>"$READY"; exit 0');
    await expect.poll(() => isRunning(child)).toBe(false);
    expect(await endProcesses(() => [child.pid ?? 0], { graceMs: 0 })).toBe(1);
  });
});

describe.skipIf(!existsSync('/proc/self/stat'))('a process group', () => {
  test('is killed by its leader, with every process in it', async () => {
    const file = join(directory, 'pid');
    const leader = await start(`sleep 60 & echo $! > ${file}; >"$READY"; wait`);
    const member = Number(readFileSync(file, 'utf8'));
    await killGroup(identityOf(leader.pid ?? 0));
    await expect.poll(() => leader.signalCode).toBe('SIGKILL');
    await expect.poll(() => isAlive(member)).toBe(false);
  });

  test('is left alone when its leader is another process with the same pid, or the start time is unknown', async () => {
    const child = await start(WAIT);
    const identity = identityOf(child.pid ?? 0);
    await killGroup({ ...identity, start: identity.start.replace(/-\d+-/, '-1-') });
    await killGroup({ ...identity, start: '' });
    expect(isRunning(child)).toBe(true);
  });

  test('has the leader whose pid is the id of the group', async () => {
    const file = join(directory, 'pid');
    const leader = await start(`sleep 60 & echo $! > ${file}; >"$READY"; wait`);
    const member = Number(readFileSync(file, 'utf8'));
    const pid = leader.pid ?? 0;
    expect(findGroupLeader([member, pid])).toEqual(identityOf(pid));
    expect(findGroupLeader([member])).toBeUndefined();
    leader.kill('SIGKILL');
    await once(leader, 'exit');
    expect(findGroupLeader([pid])).toBeUndefined();
  });
});

test('a signal to no group, to group 0 or to group 1 is not sent, and an ended group is no error', async () => {
  // `process.kill` is replaced in a child: a mistake here would signal every process of the machine.
  const source = `import { signalGroup } from ${JSON.stringify(builtUrl('system/processes.ts'))};
    const sent = [];
    process.kill = (pid) => sent.push(pid);
    for (const leader of [undefined, 0, 1, -5, NaN]) signalGroup(leader, 'SIGTERM');
    signalGroup(77, 'SIGTERM');
    process.kill = () => { throw Object.assign(new Error('gone'), { code: 'ESRCH' }); };
    signalGroup(77, 'SIGTERM');
    process.kill = () => { throw Object.assign(new Error('not ours'), { code: 'EPERM' }); };
    signalGroup(77, 'SIGTERM');
    process.stdout.write(JSON.stringify(sent));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  started.push(child);
  let printed = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(printed).toBe('[-77]');
});
