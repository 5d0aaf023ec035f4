import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { endRunProcesses, processesOf, RUN_ID_VARIABLE } from '../../src/agent/leftovers.ts';

const PATH = process.env.PATH ?? '';

let directory: string;
let run: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tasktrail-left-'));
  run = randomUUID();
});

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** A shell script that runs with this environment; resolves once it has made the file `ready`. */
async function start(script: string, env: Record<string, string>): Promise<ChildProcess> {
  const ready = join(directory, randomUUID());
  const child = spawn('/bin/sh', ['-c', script], {
    env: { PATH, READY: ready, ...env },
    detached: true,
    stdio: 'ignore',
  });
  started.push(child);
  await vi.waitFor(() => expect(existsSync(ready)).toBe(true), { timeout: 10_000, interval: 10 });
  return child;
}

const WAIT = '>"$READY"; exec sleep 60';

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function pidIn(name: string): number {
  return Number(readFileSync(join(directory, name), 'utf8'));
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // ENOENT: gone.
    return false;
  }
}

describe.skipIf(!existsSync('/proc/self/environ'))('what a run leaves behind', () => {
  test('nobody: the end is at once', async () => {
    expect(await endRunProcesses(run)).toBe(0);
  });

  test('a tool in a session of its own, whose parent is gone and whose environment is all but empty, is ended', async () => {
    const file = join(directory, 'pid');
    const tool = `env -i ${RUN_ID_VARIABLE}=$${RUN_ID_VARIABLE} PATH=$PATH setsid sh -c 'echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 60' &`;
    await start(
      `${tool} while [ ! -e ${file} ]; do sleep 0.01; done; >"$READY"; while [ -e /proc/$PPID ]; do exit; done`,
      {
        [RUN_ID_VARIABLE]: run,
      },
    );
    const pid = pidIn('pid');
    await vi.waitFor(() => expect(processesOf(run)).toEqual([pid]), { timeout: 5_000 });
    expect(await endRunProcesses(run)).toBe(1);
    expect(isAlive(pid)).toBe(false);
  });

  test('one that ignores SIGTERM is killed', async () => {
    const deaf = await start(`trap '' TERM; >"$READY"; while :; do sleep 0.05; done`, {
      [RUN_ID_VARIABLE]: run,
    });
    await endRunProcesses(run);
    await vi.waitFor(() => expect(deaf.signalCode).toBe('SIGKILL'));
    expect(processesOf(run)).toEqual([]);
  });

  test('one that ends in order when it is told to has the time for it', async () => {
    const orderly = await start(`trap 'sleep 0.2; exit 7' TERM; >"$READY"; while :; do sleep 0.05; done`, {
      [RUN_ID_VARIABLE]: run,
    });
    await endRunProcesses(run);
    await vi.waitFor(() => expect(orderly.exitCode).toBe(7));
  });

  test('an inner run belongs to the outer one, and not the other way round', async () => {
    const inner = randomUUID();
    const outerTool = await start(WAIT, { [RUN_ID_VARIABLE]: run });
    const innerTool = await start(WAIT, { [RUN_ID_VARIABLE]: `${run}/${inner}` });
    expect(await endRunProcesses(inner)).toBe(1);
    expect([isRunning(outerTool), isRunning(innerTool)]).toEqual([true, false]);
    const again = await start(WAIT, { [RUN_ID_VARIABLE]: `${run}/${inner}` });
    expect(await endRunProcesses(run)).toBe(2);
    await vi.waitFor(() => expect([isRunning(outerTool), isRunning(again)]).toEqual([false, false]));
  });

  test('innocents live: without the variable, of another run, with the id elsewhere or as part of another', async () => {
    const innocents = await Promise.all([
      start(WAIT, {}),
      start(WAIT, { [RUN_ID_VARIABLE]: randomUUID() }),
      start(WAIT, { [RUN_ID_VARIABLE]: `${run}x` }),
      start(WAIT, { [`MY_${RUN_ID_VARIABLE}`]: run }),
      start(WAIT, { NOTE: `${RUN_ID_VARIABLE}=${run}` }),
      start(`${WAIT} # ${run}`, {}),
    ]);
    expect(await endRunProcesses(run)).toBe(0);
    expect(innocents.map(isRunning)).toEqual(innocents.map(() => true));
  });

  test('the variable is found wherever it stands, also behind one whose text looks like it', async () => {
    // Not through a shell, which would put its environment into an order of its own.
    const env = {
      A_NOTE: `x ${RUN_ID_VARIABLE}=y`,
      [`OLD_${RUN_ID_VARIABLE}`]: run,
      [RUN_ID_VARIABLE]: run,
    };
    started.push(spawn('sleep', ['60'], { env: { ...env, PATH }, stdio: 'ignore' }));
    await vi.waitFor(() => expect(processesOf(run)).toHaveLength(1), { timeout: 5_000 });
    expect(await endRunProcesses(run)).toBe(1);
  });

  test('a process that looks for its own run, as tasktrail does inside of an agent, does not end itself', async () => {
    const before = process.env[RUN_ID_VARIABLE];
    // What /proc shows is what a process was started with: so this takes one of its own.
    const source = `import { endRunProcesses } from ${JSON.stringify(join(import.meta.dirname, '../../dist/agent/leftovers.js'))};
      process.stdout.write(String(await endRunProcesses(process.env.${RUN_ID_VARIABLE})));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      env: { PATH, [RUN_ID_VARIABLE]: run },
    });
    started.push(child);
    let printed = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, printed]).toEqual([0, '0']);
    expect(process.env[RUN_ID_VARIABLE]).toBe(before);
  });

  test('a storm of forks does not hold up the end for ever, and is over with its end', async () => {
    // Each of them starts the next and leaves; TERM is ignored by all.
    const script = join(directory, 'storm.sh');
    const chain = `trap '' TERM; [ -e ${directory}/stop ] && exit; sleep 0.02; /bin/sh "$0" & exit 0`;
    await import('node:fs/promises').then(({ writeFile }) => writeFile(script, chain));
    await start(`/bin/sh ${script} & /bin/sh ${script} & >"$READY"; wait`, { [RUN_ID_VARIABLE]: run });
    const before = Date.now();
    await endRunProcesses(run);
    expect(Date.now() - before).toBeLessThan(8_000);
    // Killed is not yet gone, on a machine that has much to do.
    await expect.poll(() => processesOf(run), { timeout: 5_000 }).toEqual([]);
  });
});
