import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { type Run, runCommand, startCommand, tempDir } from './run-command.ts';
import { type StoredTask, storeIn, writeTask } from './stored-tasks.ts';

const TASKS: readonly StoredTask[] = [
  {
    id: 'task-a',
    metadata: {
      ...{ created_at: '2026-01-02T03:00:00.000Z', provider: 'github', assigned_agent: 'claude' },
      model: 'claude-opus-5-5',
    },
    message: 'first line\nsecond line',
    result: {},
  },
  {
    id: 'task-b',
    metadata: { created_at: '2026-01-03T03:00:00.000Z', source: 'cli', assigned_agent: 'codex' },
    result: { success: false, status: 'failed', error: 'exited with code 3', metrics: { cost_usd: null } },
  },
  { id: 'task-c', metadata: { created_at: '2026-01-04T03:00:00.000Z', source: 'api' } },
];

async function withTasks(tasks: readonly StoredTask[] = TASKS): Promise<string> {
  const cwd = await tempDir();
  const store = storeIn(cwd);
  for (const task of tasks) await writeTask(store, task);
  await store.store.close('the test has written its tasks');
  return cwd;
}

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

test('--json has links to each trace, where there is a trace and something to look at it with', async () => {
  const cwd = await withTasks([
    { id: 'task-a', metadata: { trace_id: TRACE_ID } },
    { id: 'task-b', metadata: { trace_id: null } },
  ]);
  const env = { TASK_LOGS_TRACE_URL: 'http://j.test/{trace_id} http://g.test/{task_id}?t={trace_id}' };
  const linksOf = ({ stdout }: Run): Record<string, unknown> =>
    Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { task_id: string; links: unknown })
        .map(({ task_id, links }) => [task_id, links]),
    );
  expect(linksOf(await runCommand(['tasks', '--json'], { cwd, input: '', env }))).toEqual({
    'task-a': {
      trace: `http://j.test/${TRACE_ID}`,
      traces: [`http://j.test/${TRACE_ID}`, `http://g.test/task-a?t=${TRACE_ID}`],
    },
    'task-b': {},
  });
  expect(linksOf(await tasks(cwd, '--json'))).toEqual({ 'task-a': {}, 'task-b': {} });
});

function tasks(cwd: string, ...args: readonly string[]): Promise<Run> {
  return runCommand(['tasks', ...args], { cwd, input: '' });
}

function idsIn(stdout: string): string[] {
  return stdout.match(/^task-\S+/gm) ?? [];
}

test('tasks are listed newest first, with what they are, took and cost', async () => {
  const cwd = await withTasks();
  const { code, stdout, stderr } = await tasks(cwd);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [header, c, b, a] = stdout.split('\n');
  expect(header?.split(/ +/)).toEqual('ID STATUS AGE FROM AGENT MODEL TIME COST TOKENS MESSAGE'.split(' '));
  expect(a).toMatch(
    /^task-a +completed +\d+d +webhook\/github +claude +claude-opus-5-5 +45\.2s +\$0\.0234 +1\.5k\/800 +first line$/,
  );
  expect(b).toMatch(/^task-b +failed +\d+d +cli +codex +- +- +- +- +please review$/);
  expect(c).toMatch(/^task-c +running +\d+d +api +- +- /);
});

test.each([
  [['--status', 'failed'], ['task-b']],
  [['--source', 'webhook'], ['task-a']],
  [['--provider', 'github'], ['task-a']],
  [['--agent', 'codex'], ['task-b']],
  [
    ['--since', '2026-01-03'],
    ['task-c', 'task-b'],
  ],
  [['--until', '2026-01-03T04:00:00+01:00'], ['task-a']],
  [['--since', '2026-01-02T12:00:00Z', '--until', '2026-01-03T12:00:00Z'], ['task-b']],
  [['--since', '1h'], []],
  [
    ['--since', '52000w'],
    ['task-c', 'task-b', 'task-a'],
  ],
  [
    ['--limit', '2'],
    ['task-c', 'task-b'],
  ],
  [['--all'], ['task-c', 'task-b', 'task-a']],
])('%j shows what fits', async (args, ids) => {
  const cwd = await withTasks();
  const { code, stdout } = await tasks(cwd, ...args);
  expect(code).toBe(0);
  expect(idsIn(stdout)).toEqual(ids);
});

test.each([
  [['--status', 'done'], '--status: must be one of queued'],
  [['--limit', '0'], '--limit: '],
  [['--limit', '-1'], '--limit: '],
  [['--limit', '2.5'], '--limit: '],
  [['--limit', '3', '--all'], '--limit or --all'],
  [['--since', 'yesterday'], '--since: "yesterday"'],
  [['--since', '2026-01-02T03:04:05'], '--since: '],
  [['--until', '2026-13-01'], '--until: '],
  [['--since', '2026-01-03', '--until', '2026-01-02'], '--since: must be before'],
  [['--agent', ''], '--agent: '],
  [['extra'], '(see tasktrail tasks --help)'],
  [['--colour'], '(see tasktrail tasks --help)'],
])('%j is refused with what is wrong', async (args, message) => {
  const { code, stdout, stderr } = await tasks(await tempDir(), ...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

test('--json gives one object a line: the metadata, and what the result says', async () => {
  const { stdout } = await tasks(await withTasks(), '--json');
  const [c, b, a] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(a).toMatchObject({
    ...{ task_id: 'task-a', status: 'completed', model: 'claude-opus-5-5', schema_version: 1 },
    ...{ success: true, error: null, metrics: { cost_usd: 0.0234, input_tokens: 1500 } },
  });
  expect(b).toMatchObject({ success: false, error: 'exited with code 3', metrics: { cost_usd: null } });
  expect(c).toMatchObject({ task_id: 'task-c', success: null, metrics: null });
});

test('a log directory without tasks, or none at all, is an empty list and no error', async () => {
  const cwd = await tempDir();
  expect(await tasks(cwd)).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringContaining('no such task'),
  });
  expect(await tasks(cwd, '--json')).toMatchObject({ code: 0, stdout: '' });
});

test('what others wrote cannot steer the terminal, nor make lines of its own', async () => {
  const evil = '\x1b[2J\x9b31m\u202egnp\x07\r\ttext';
  const cwd = await withTasks([
    {
      id: 'task-e',
      metadata: { source: evil, assigned_agent: evil, model: `a\nb${evil}` },
      message: `${evil}\nmore`,
    },
  ]);
  const { stdout } = await tasks(cwd);
  expect(stdout.split('\n')).toHaveLength(3);
  const controls = [...stdout].filter((character) => /[\p{Cc}\p{Bidi_Control}]/u.test(character));
  expect(new Set(controls)).toEqual(new Set(['\n']));
  expect(stdout).toContain('\\x1b[2J\\x9b31m\\u202egnp\\x07');
});

test('a damaged document hides neither its task nor the others', async () => {
  const cwd = await withTasks();
  writeFileSync(join(cwd, 'logs/task-a/04-final-result.json'), '{"succ');
  writeFileSync(join(cwd, 'logs/task-b/01-input.json'), '');
  expect(idsIn((await tasks(cwd)).stdout)).toEqual(['task-c', 'task-b', 'task-a']);
});

/** What the command prints on a terminal of so many columns. */
function onTerminal(cwd: string, columns: number, env: Record<string, string> = {}): string {
  const words = `stty cols ${columns}; exec '${process.execPath}' '${MAIN}' tasks`;
  return execFileSync('script', ['-qec', words, '/dev/null'], {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: cwd, TASK_LOGS_DIR: join(cwd, 'logs'), TERM: 'xterm', ...env },
  }).replaceAll('\r', '');
}

test.each([40, 80, 120, 200])(
  'on a terminal of %d columns no line is longer, and every id whole',
  async (columns) => {
    const id = 'task-01kdy0000000000000000000ab';
    const cwd = await withTasks([
      ...TASKS,
      { id, metadata: { source: 'webhook', provider: 'github' }, message: `漢字 😀 ${'long '.repeat(80)}` },
    ]);
    const text = onTerminal(cwd, columns, { NO_COLOR: '1' });
    expect(text).toContain(id);
    for (const line of text.split('\n'))
      expect(line.replaceAll(/[漢字😀]/gu, 'xx').length).toBeLessThanOrEqual(columns);
    expect(text.includes('MODEL')).toBe(columns === 200);
    expect(text.includes('STATUS')).toBe(columns > 40);
  },
);

test('colours are for terminals, and for whoever has not asked for none', async () => {
  const cwd = await withTasks();
  expect(onTerminal(cwd, 100)).toContain('\x1b[31mfailed');
  expect(onTerminal(cwd, 100, { NO_COLOR: '1' })).not.toContain('\x1b[');
  expect(onTerminal(cwd, 100, { TERM: 'dumb' })).not.toContain('\x1b[');
  expect((await tasks(cwd)).stdout).not.toContain('\x1b');
});

test('a reader who has seen enough ends the list quietly', async () => {
  const cwd = await withTasks();
  const { child, ended } = startCommand(['tasks', '--all'], { cwd });
  child.stdout?.destroy();
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
});

test('while a service holds the directory its tasks are listed as well', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd });
  try {
    const response = await service.submit({ message: 'look at the build' });
    expect(response.status).toBe(202);
    const look = async (): Promise<string> => (await tasks(cwd, '--source', 'api')).stdout;
    await expect.poll(look, { timeout: 15_000, interval: 100 }).toMatch(/ completed .* look at the build$/m);
  } finally {
    await service.dispose();
  }
});

test.each([
  [['workflow', 'phase'], 'tasktrail workflow phase --help'],
  [['prune', '--colour'], 'tasktrail prune --help'],
  [['nonsense'], 'tasktrail --help'],
])('what is wrong with %j points to the help about it', async (words, help) => {
  const { code, stderr } = await runCommand(words, { cwd: await tempDir(), input: '' });
  expect(code).toBe(2);
  expect(stderr).toContain(`(see ${help})`);
});
