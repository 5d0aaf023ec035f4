import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { type Run, runCommand, tempDir } from './run-command.ts';

async function start(cwd: string): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env: { TASK_LOGS_AGENT_COMMAND: 'cat' } });
  onTestFinished(() => service.dispose());
  return service;
}

/** A program in the place of `xdg-open` that keeps its argument. */
async function fakeOpener(
  cwd: string,
): Promise<{ readonly env: Record<string, string>; readonly file: string }> {
  const [bin, file] = [join(cwd, 'bin'), join(cwd, 'opened')];
  await mkdir(bin);
  await writeFile(join(bin, 'xdg-open'), `#!/bin/sh\nprintf '%s|' "$@" > ${file}\n`);
  await chmod(join(bin, 'xdg-open'), 0o755);
  return { env: { PATH: `${bin}:${process.env.PATH}`, DISPLAY: ':9' }, file };
}

test('open prints the address of the running service or of a run, and opens it where there is a display', async () => {
  const cwd = await tempDir();
  const service = await start(cwd);
  const open = (args: readonly string[], env = {}): Promise<Run> =>
    runCommand(['open', ...args], { cwd, env });
  expect(service.stdout).toContain(`  page       ${service.url}/\n`);
  expect(await open([])).toMatchObject({ code: 0, stdout: `${service.url}/\n`, stderr: '' });
  const id = await service.sendComment('@agent review');
  for (const name of [id, id.replace('task-', '').slice(0, -1), 'latest'])
    expect((await open([name])).stdout).toBe(`${service.url}/tasks/${id}\n`);
  const unknown = await open(['nothing-like-it']);
  expect([unknown.code, unknown.stdout]).toEqual([1, '']);
  expect(unknown.stderr).toContain('there is no task or workflow nothing-like-it');
  expect((await open(['../x'])).code).toBe(2);
  if (process.platform !== 'linux') return;
  const { env, file } = await fakeOpener(cwd);
  const opened = (): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);
  expect((await open([id, '--print'], env)).code).toBe(0);
  expect(await opened()).toBeUndefined();
  expect((await open([id], env)).stdout).toBe(`${service.url}/tasks/${id}\n`);
  expect(await until(opened, 'the browser')).toBe(`${service.url}/tasks/${id}|`);
  const without = await open([], { PATH: cwd, DISPLAY: ':9' });
  expect([without.code, without.stdout]).toEqual([0, `${service.url}/\n`]);
  expect(without.stderr).toContain('open the address yourself');
});

test('without a service, and with an address that another process left or changed, open opens nothing', async () => {
  const cwd = await tempDir();
  const service = await start(cwd);
  const file = join(cwd, 'logs', '_page.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(service.url, 'http://127.0.0.1:1'));
  const forged = await runCommand(['open'], { cwd });
  expect([forged.code, forged.stdout]).toEqual([1, '']);
  await writeFile(file, text);
  expect((await runCommand(['open'], { cwd })).code).toBe(0);
  await service.stop();
  const ended = await runCommand(['open'], { cwd });
  expect([ended.code, ended.stdout]).toEqual([1, '']);
  expect(ended.stderr).toContain('start one with "tasktrail start"');
});
