import { expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { hasTerminal, openTerminal } from './pty.ts';
import { runCommand, tempDir } from './run-command.ts';

test('export writes a run that was recorded, without a service', async () => {
  const cwd = await tempDir();
  const script =
    'printf "\\033[32mgood\\033[0m <script>alert(1)</script>\\n"; echo sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
  expect(
    (await runCommand(['run', '--message', 'Say <b>it</b>', '--', 'sh', '-c', script], { cwd })).code,
  ).toBe(0);
  const [task] = (await runCommand(['tasks', '--json'], { cwd })).stdout.split('\n');
  const { task_id: id } = JSON.parse(task ?? '') as { task_id: string };
  for (const name of [id, 'latest']) {
    const { code, stdout, stderr } = await runCommand(['export', name], { cwd });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(stdout).toContain('<h1>Say &lt;b&gt;it&lt;/b&gt;</h1>');
    expect(stdout).toContain('good &lt;script&gt;alert(1)&lt;/script&gt;');
    expect(stdout).not.toContain('sk-ant-api03');
    // No service has settled it.
    expect(stdout).toContain('its files have no manifest yet');
  }
  const unknown = await runCommand(['export', 'nothing-like-it'], { cwd });
  expect([unknown.code, unknown.stdout]).toEqual([1, '']);
  if (!hasTerminal) return;
  const terminal = openTerminal(`${process.execPath} ${MAIN} export latest`, { cwd, env: { HOME: cwd } });
  expect(await terminal.ended).toBe(2);
  expect(terminal.text()).toContain('> run.html');
});
