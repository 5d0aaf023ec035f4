import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { hasTerminal, openTerminal } from './pty.ts';
import { type Env, type Run, runCommand, startCommand, tempDir } from './run-command.ts';
import { type StoredTask, storeIn, writeTask } from './stored-tasks.ts';

const TASKS: readonly StoredTask[] = [
  {
    id: 'task-a',
    metadata: {
      ...{ created_at: '2026-01-02T03:00:00.000Z', provider: 'github', assigned_agent: 'claude' },
      ...{ model: 'claude-opus-5-5', command: 'review' },
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

test('--json has links to a trace where there is a trace and an address for traces', async () => {
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

test('tasks are listed newest first, each with its status, command, origin, time, cost and message', async () => {
  const cwd = await withTasks();
  const { code, stdout, stderr } = await tasks(cwd);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [header, c, b, a] = stdout.split('\n');
  expect(header?.split(/ +/)).toEqual(
    'ID STATUS AGE WAITS COMMAND FROM AGENT MODEL TIME COST TOKENS MESSAGE'.split(' '),
  );
  expect(a).toMatch(
    /^task-a +completed +\d+d +- +review +webhook\/github +claude +claude-opus-5-5 +45\.2s +\$0\.0234 +1\.5k\/800 +first line$/,
  );
  expect(b).toMatch(/^task-b +failed +\d+d +- +- +cli +codex +- +- +- +- +please review$/);
  expect(c).toMatch(/^task-c +running +\d+d +agent(?:, beat \d+\w)? +- +api +- +- /);
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
])('%j lists the tasks that match', async (args, ids) => {
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
  [['cost:much'], 'q: character 6: cost: '],
  [['--sort', 'name'], '--sort: '],
  [['--colour'], '(see tasktrail tasks --help)'],
])('%j is refused with a message that names the mistake', async (args, message) => {
  const { code, stdout, stderr } = await tasks(await tempDir(), ...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

test('--json prints one object per line: the metadata, and fields of the result', async () => {
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

test('a log directory without tasks, or a missing one, is an empty list with advice', async () => {
  const cwd = await tempDir();
  const advice = (place: string): string =>
    `tasktrail: no tasks yet in ${place}: run one (tasktrail run -- <command>), start the service (tasktrail start), or use --dir\n`;
  const missing = advice(`${cwd}/logs (it does not exist yet)`);
  for (const args of [[], ['--json'], ['--status', 'failed']])
    expect(await tasks(cwd, ...args)).toMatchObject({ code: 0, stdout: '', stderr: missing });
  writeFileSync(join(cwd, 'file'), '');
  const file = advice(`${cwd}/file (it is not a directory)`);
  expect(await tasks(cwd, '--dir', join(cwd, 'file'))).toMatchObject({ code: 0, stderr: file });
  mkdirSync(join(cwd, 'logs'));
  expect(await tasks(cwd)).toMatchObject({ code: 0, stdout: '', stderr: advice(`${cwd}/logs`) });
});

test('filters that match nothing are an empty list with another message', async () => {
  const cwd = await withTasks();
  for (const args of [
    ['--status', 'cancelled'],
    ['--since', '1h'],
    ['--json', '--agent', 'gemini'],
  ])
    expect(await tasks(cwd, ...args)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `tasktrail: no task in ${cwd}/logs matches: change or leave out a filter\n`,
    });
});

test('recorded text cannot steer the terminal, and adds no lines', async () => {
  const evil = '\x1b[2J\x9b31m\u202egnp\x07\r\ttext';
  const cwd = await withTasks([
    {
      id: 'task-e',
      metadata: { source: evil, assigned_agent: evil, command: evil, model: `a\nb${evil}` },
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

/** The output of the command on a terminal of so many columns. */
async function onTerminal(cwd: string, columns: number, more: Env = {}): Promise<string> {
  const env = { HOME: cwd, TASK_LOGS_DIR: join(cwd, 'logs'), ...more };
  const terminal = openTerminal(`'${process.execPath}' '${MAIN}' tasks`, { cwd, env, columns });
  await terminal.ended;
  return terminal.text();
}

test.skipIf(!hasTerminal).each([40, 80, 120, 200])(
  'on a terminal of %d columns no line is longer, and each id is whole',
  async (columns) => {
    const id = 'task-01kdy0000000000000000000ab';
    const cwd = await withTasks([
      ...TASKS,
      { id, metadata: { source: 'webhook', provider: 'github' }, message: `漢字 😀 ${'long '.repeat(80)}` },
    ]);
    const text = await onTerminal(cwd, columns, { NO_COLOR: '1' });
    expect(text).toContain(id);
    for (const line of text.split('\n'))
      expect(line.replaceAll(/[漢字😀]/gu, 'xx').length).toBeLessThanOrEqual(columns);
    expect(text.includes('MODEL')).toBe(columns === 200);
    expect(text.includes('STATUS')).toBe(columns > 40);
  },
);

test.skipIf(!hasTerminal)('80 columns have the command and the beginning of the message', async () => {
  const id = 'task-01kdy0000000000000000000ab';
  const metadata = { command: 'review', status: 'completed', assigned_agent: 'sample-agent' };
  const cwd = await withTasks([{ id, metadata, message: '@agent review this change, please', result: {} }]);
  const [header = '', row = ''] = (await onTerminal(cwd, 80, { NO_COLOR: '1' })).split('\n');
  expect(header.split(/ +/)).toEqual(['ID', 'STATUS', 'AGE', 'COMMAND', 'MESSAGE']);
  expect(row).toMatch(/ completed +\d+d {2}review {3}@agent review this \S+\u2026$/);
});

test.skipIf(!hasTerminal)('colours are for terminals, and NO_COLOR switches them off', async () => {
  const cwd = await withTasks();
  expect(await onTerminal(cwd, 100)).toContain('\x1b[31mfailed');
  expect(await onTerminal(cwd, 100, { NO_COLOR: '1' })).not.toContain('\x1b[');
  expect((await tasks(cwd)).stdout).not.toContain('\x1b');
});

test('the list ends quietly when the reader of the output ends', async () => {
  const cwd = await withTasks();
  const { child, ended } = startCommand(['tasks', '--all'], { cwd });
  child.stdout?.destroy();
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
});

test('the tasks of a running service are listed', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd });
  try {
    const response = await service.submit({ message: 'look at the build' });
    expect(response.status).toBe(202);
    const look = async (): Promise<string> => (await tasks(cwd, '--source', 'api')).stdout;
    await expect.poll(look, { interval: 100 }).toMatch(/ completed .* look at the build$/m);
  } finally {
    await service.dispose();
  }
});
