import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { identityOf, isProcessAlive, ownIdentity } from '../../src/system/process-identity.ts';

const isLinux = process.platform === 'linux';

/** A running child process, ended with the test. */
function startChild(): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

test('this process is alive under its own identity, which is the same each time', () => {
  expect(ownIdentity().pid).toBe(process.pid);
  expect(identityOf(process.pid)).toEqual(ownIdentity());
  expect(isProcessAlive(ownIdentity())).toBe(true);
});

test('a process is alive until it ends', async () => {
  const child = startChild();
  const identity = identityOf(child.pid ?? 0);
  expect(isProcessAlive(identity)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isProcessAlive(identity)).toBe(false);
});

test.runIf(isLinux)('another process under the same pid does not count', () => {
  const [boot, tick, namespace] = ownIdentity().start.split('-');
  expect(isProcessAlive({ ...ownIdentity(), start: `${boot}-${Number(tick) + 1}-${namespace}` })).toBe(false);
});

test.runIf(isLinux)('a process of another host or pid namespace cannot be judged', () => {
  expect(isProcessAlive({ ...ownIdentity(), host: 'elsewhere' })).toBeUndefined();
  expect(isProcessAlive({ ...ownIdentity(), start: `${ownIdentity().start}1` })).toBeUndefined();
});

test('without a start the pid alone decides', () => {
  expect(isProcessAlive({ ...ownIdentity(), start: '' })).toBe(true);
});
