import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { tempDir } from '../support/log-dir.ts';
import { resultOf, ServiceProcess, serviceEnv } from '../support/service-process.ts';

/** What a process sees on FAT and on many shares: no hard links, no times that can be set, no sync of a directory. */
const POOR_FILE_SYSTEM = `
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
const refuse = (code) => async () => { throw Object.assign(new Error(code), { code }); };
promises.link = refuse('EPERM');
promises.utimes = refuse('EPERM');
const { fsync } = fs;
fs.fsync = (fd, done) => fs.fstat(fd, (error, stats) =>
  stats?.isDirectory() ? done(Object.assign(new Error('EINVAL'), { code: 'EINVAL' })) : fsync(fd, done));
syncBuiltinESMExports();
`;

test('a directory without hard links is held by one service, and taken over after a kill', {
  timeout: 90_000,
}, async () => {
  const cwd = await tempDir();
  const preload = join(cwd, 'poor-file-system.mjs');
  await writeFile(preload, POOR_FILE_SYSTEM);
  const env = { NODE_OPTIONS: `--import=${preload}` };
  const first = await ServiceProcess.start({ cwd, env });
  onTestFinished(() => first.dispose());
  expect(await resultOf(join(cwd, 'logs'), await first.sendComment('@agent review'))).toMatchObject({
    success: true,
  });

  const second = new ServiceProcess({ cwd, env });
  onTestFinished(() => second.dispose());
  expect((await second.exited).code).not.toBe(0);
  expect(second.stderr).toContain(`pid ${first.child.pid}`);
  const doctor = execFileSync(process.execPath, [MAIN, 'doctor'], {
    cwd,
    env: serviceEnv({ cwd, env }),
    encoding: 'utf8',
  });
  expect(doctor).toContain(`held by process ${first.child.pid}`);
  expect(doctor).toContain('nothing is wrong');

  await first.stop('SIGKILL');
  const third = await ServiceProcess.start({ cwd, env });
  onTestFinished(() => third.dispose());
  expect(await resultOf(join(cwd, 'logs'), await third.sendComment('@agent review'))).toMatchObject({
    success: true,
  });
  // Longer than a lock is trusted without a touch.
  await expect.poll(async () => (await fetch(`${third.url}/readyz`)).status, { timeout: 30_000 }).toBe(200);
  expect(await third.stop()).toMatchObject({ code: 0 });
});
