import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { MAIN } from '../../support/built.ts';
import { freePort } from '../../support/free-port.ts';
import { ServiceProcess, serviceEnv } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { CTRL_C, hasTerminal, openTerminal } from '../pty.ts';
import { tempDir } from '../run-command.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Where the demo makes its directory, and settings of a user that must not reach it. */
function demoEnv(cwd: string): Record<string, string> {
  return { TMPDIR: cwd, PORT: 'ignored', TASK_LOGS_ENABLED: 'false' };
}

let shared: string;

beforeAll(async () => {
  shared = await mkdtemp(join(tmpdir(), 'tasktrail-demo-test-'));
});

afterAll(() => rm(shared, { recursive: true, force: true }));

async function startDemo(
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const cwd = await tempDir();
  const demo = new ServiceProcess({ cwd, args: ['demo', ...args], env: { ...demoEnv(cwd), ...env } });
  onTestFinished(() => demo.dispose());
  return demo;
}

let finished: Promise<ServiceProcess> | undefined;

/** One demo that ran to its end, for the tests that look at what it printed and left. */
function finishedDemo(): Promise<ServiceProcess> {
  finished ??= (async () => {
    const demo = new ServiceProcess({ cwd: shared, args: ['demo'], env: demoEnv(shared) });
    expect(await demo.exited).toEqual({ code: 0, signal: null });
    return demo;
  })();
  return finished;
}

/** The value of a line of the demo: its address, its directory, the task. */
function shownValue(text: string, label: 'service' | 'directory' | 'task'): string {
  return new RegExp(`^${label} +(\\S+)$`, 'm').exec(text)?.[1] ?? '';
}

async function untilShown(demo: ServiceProcess, text: string): Promise<void> {
  await until(() => demo.stdout.includes(text), text, 20_000);
}

test('the demo sends one webhook through everything, finds nothing missing and ends', async () => {
  const demo = await finishedDemo();
  expect(demo.stderr).toBe('');
  expect(demo.stdout).not.toContain('MISSING');
  for (const text of [
    'answered 202',
    'stages     received, validation, command_matching, immediate_response, task_created, queue_push\n',
    '\ncompleted  ',
    '\n  04-final-result.json ',
    '\nchecked    ',
  ])
    expect(demo.stdout).toContain(text);
  for (const phase of ['frame', 'architect', 'build', 'evaluate', 'release']) {
    expect(demo.stdout).toMatch(new RegExp(`^${phase} +\\d+\\.\\ds +\\S.*$`, 'm'));
    expect(demo.stdout).toMatch(
      new RegExp(`^ {4}phase ${phase} \\d+\\.\\ds > step .* > execute_tool \\S`, 'm'),
    );
  }
});

test('it fits two screens, and only lines to copy are wider than 100 columns', async () => {
  const demo = await finishedDemo();
  const lines = demo.stdout.trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(60);
  const logDir = shownValue(demo.stdout, 'directory');
  const tooWide = lines.filter((line) => [...line].length > 100 && !line.includes(logDir));
  expect(tooWide).toEqual([]);
});

test('the commands at its end work as they are, on its directory', { tags: ['full'] }, async () => {
  const demo = await finishedDemo();
  const logDir = shownValue(demo.stdout, 'directory');
  const taskId = shownValue(demo.stdout, 'task');
  const commands = demo.stdout
    .slice(demo.stdout.indexOf('\nNext\n'))
    .split('\n')
    .filter((line) => line.startsWith('  '))
    .map((line) => line.trim());
  expect(commands).toHaveLength(5);
  const [tasks = '', logs = '', run = '', start = '', curl = ''] = commands;
  const cwd = await tempDir();
  // Port 8000 may be taken on this machine.
  const port = String(await freePort());
  const env = { ...serviceEnv({ cwd }), PORT: port, PATH: withCheckout(cwd) };
  const shell = async (command: string): Promise<string> =>
    (await promisify(execFile)('sh', ['-c', command], { cwd, env })).stdout;
  expect(await shell(tasks)).toMatch(new RegExp(`^${taskId} +completed .* review `, 'm'));
  expect(await shell(logs)).toContain(' queue_push ');
  expect(await shell(run)).toContain('hello');
  expect((await shell(tasks)).match(/^task-/gm)).toHaveLength(2);
  // `exec`: the signal at the end is for the service, not for a shell before it.
  const service = execFile('sh', ['-c', start.replace(' npm start', ' exec npm start')], { cwd, env });
  onTestFinished(() => void service.kill('SIGKILL'));
  let stdout = '';
  service.stdout?.on('data', (piece: string) => {
    stdout += piece;
  });
  await until(() => stdout.includes('\n  off '), 'the service', 20_000);
  expect(stdout).toContain(`writes to  ${logDir}`);
  expect(stdout).toContain('default (cat)');
  const [, path = ''] = /^curl http:\/\/127\.0\.0\.1:8000(\/\S+)$/.exec(curl) ?? [];
  const page = (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as { items: unknown[] };
  expect(page.items).toHaveLength(2);
  const ended = new Promise((resolve) => service.once('exit', resolve));
  service.kill('SIGTERM');
  expect(await ended).toBe(0);
});

/** A PATH in which `npx tasktrail` and `npm start` are those of this checkout, wherever they run. */
function withCheckout(cwd: string): string {
  const bin = join(cwd, 'bin');
  mkdirSync(bin);
  for (const [name, words] of [
    ['npx', `shift; exec '${process.execPath}' '${MAIN}' "$@"`],
    ['npm', `exec '${process.execPath}' '${MAIN}' "$@"`],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${words}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return `${bin}:${process.env.PATH}`;
}

test('a demo that keeps running serves its directory until it is interrupted', async () => {
  const env = { TASK_LOGS_TRACE_URL: 'http://j.test/{trace_id} http://g.test/{task_id}/{trace_id}' };
  const demo = await startDemo(['--keep-running'], env);
  await untilShown(demo, 'Ctrl-C stops it');
  const curls = [...demo.stdout.matchAll(/^ {2}curl (\S+)$/gm)].map(([, url = '']) => url);
  expect(curls).toHaveLength(2);
  for (const url of curls) {
    const page = (await (await fetch(url)).json()) as { items: unknown[] };
    expect(page.items).toHaveLength(1);
  }
  // With an address for traces it shows the links, and its service the same.
  const [, traceId, ...printed] = /^trace +(\S+)\n +(\S+)\n +(\S+)$/m.exec(demo.stdout) ?? [];
  const id = shownValue(demo.stdout, 'task');
  expect(printed).toEqual([`http://j.test/${traceId}`, `http://g.test/${id}/${traceId}`]);
  const task = await fetch(`${shownValue(demo.stdout, 'service')}/api/tasks/${id}`);
  const { links } = (await task.json()) as { links: object };
  expect(links).toMatchObject({ trace: printed[0], traces: printed });
  expect(await demo.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('an interrupted demo stops its service, says so and offers nothing that it has not made', async () => {
  const demo = await startDemo();
  await untilShown(demo, 'answered 202');
  // Twice, as npm and the terminal do.
  demo.child.kill('SIGINT');
  await delay(50);
  expect(await demo.stop('SIGINT')).toEqual({ code: 1, signal: null });
  expect(demo.stderr).toBe('tasktrail: interrupted\n');
  expect(demo.stdout).toContain('The service has ended');
  expect(demo.stdout).not.toMatch(/Next|curl/);
  expect(await readdir(shownValue(demo.stdout, 'directory'))).not.toContain('_lock.json');
});

test('a demo whose reader has ended stops quietly and cleanly', async () => {
  const demo = await startDemo();
  await untilShown(demo, 'answered 202');
  const logDir = shownValue(demo.stdout, 'directory');
  demo.child.stdout?.destroy();
  expect(await demo.exited).toEqual({ code: 0, signal: null });
  expect(demo.stderr).toBe('');
  const names = await readdir(logDir);
  expect(names.filter((name) => name.startsWith('task-'))).toHaveLength(1);
  expect(names).not.toContain('_lock.json');
});

test.skipIf(!hasTerminal)(
  'on a terminal it has colours, fits the width, and Ctrl-C ends it cleanly',
  { tags: ['full'] },
  async () => {
    const cwd = await tempDir();
    const env = { ...serviceEnv({ cwd }), TMPDIR: cwd };
    const terminal = openTerminal('npm run demo', { cwd: ROOT, env, columns: 72 });
    await until(() => terminal.text().includes('Ctrl-C stops it'), 'the demo', 20_000);
    terminal.type(CTRL_C);
    await terminal.ended;
    const text = terminal.text();
    expect(text).toContain('\x1b[1mframe\x1b[0m      ');
    expect(text).toContain('The service has ended');
    expect(text).toMatch(/^ {2}http:\/\/127\.0\.0\.1:\d+\/tasks\/task-\w+$/m);
    const plain = withoutStyles(text);
    const logDir = shownValue(plain, 'directory');
    const shown = plain.slice(plain.indexOf('service  ')).split('\n');
    expect(shown.filter((line) => [...line].length > 72 && !line.includes(logDir))).toEqual([]);
    expect(await readdir(logDir)).not.toContain('_lock.json');
  },
);

test.skipIf(!hasTerminal)('on a terminal --exit ends it by itself', { tags: ['full'] }, async () => {
  const cwd = await tempDir();
  const env = { ...serviceEnv({ cwd }), TMPDIR: cwd };
  const terminal = openTerminal('npm run demo -- --exit', { cwd: ROOT, env });
  expect(await terminal.ended).toBe(0);
  expect(terminal.text()).toContain('Next');
});

function withoutStyles(text: string): string {
  const [first = '', ...rest] = text.split('\x1b[');
  return first + rest.map((part) => part.replace(/^[\d;]*[A-Za-z]/, '')).join('');
}
