import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { callTool, partsOf } from '../mcp/mcp-fixture.ts';
import { MAIN } from '../support/built.ts';
import { freePort } from '../support/free-port.ts';
import { eventId, log, outputLog } from '../support/records.ts';
import { type RowService, rowService } from '../support/row-service.ts';
import { until } from '../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../support/victoria-logs.ts';
import { type Env, type Run, runCommand, startCommand, tempDir } from './run-command.ts';

const tool = findVictoriaLogs();

describe.skipIf('missing' in tool)('commands over a VictoriaLogs', () => {
  let server: VictoriaLogsServer;
  let cwd = '';

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  beforeEach(async () => {
    cwd = await tempDir();
  });

  const metadata = (status: string, id: number, taskId: string): ReturnType<typeof log> =>
    log({
      ...{ event: 'tasktrail.task.metadata', id: eventId(id), atMs: id },
      body: { status, attempt: 1, source: 'cli', created_at: '2026-01-02T03:04:05.000Z' },
      attributes: { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1 },
    });
  const result = (id: number, taskId: string): ReturnType<typeof log> =>
    log({
      ...{ event: 'tasktrail.task.result', id: eventId(id), atMs: id },
      body: { status: 'completed', result: 'all done', metrics: { cost_usd: 0.5 } },
      attributes: { 'tasktrail.task.id': taskId, 'tasktrail.task.attempt': 1 },
    });

  async function filled(): Promise<{ readonly env: Env; readonly service: RowService }> {
    const store = server.newTenant();
    const service = await rowService(store);
    for (const id of ['task-one', 'task-two'])
      await service.logs([metadata('running', 1, id), outputLog(2, 'the output\n', id), result(3, id)]);
    await server.flush();
    return { env: { TASK_LOGS_STORE_URL: store }, service };
  }

  const run = (env: Env, ...words: readonly string[]): Promise<Run> =>
    runCommand(words, { cwd, input: '', env });

  test('those that read print what is there', async () => {
    const { env } = await filled();
    const shown = async (...words: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(env, ...words);
      expect([words, code, stderr]).toEqual([words, 0, '']);
      return stdout;
    };
    expect(await shown('tasks')).toMatch(/task-one[\s\S]*completed|completed[\s\S]*task-one/);
    expect((await shown('tasks', 'status:completed', '--json')).trim().split('\n')).toHaveLength(2);
    expect(await shown('stats', '--group-by', 'status', '--json')).toContain('"count":2');
    // By the beginning of an id.
    expect(await shown('logs', 'tw')).toMatch(/the output[\s\S]*completed/);
    expect(await shown('export', 'task-one')).toContain('the output');
    const same = await run(env, 'diff', 'task-one', 'task-two');
    expect([same.code, same.stderr]).toEqual([0, 'tasktrail: no difference\n']);
    const none = await run(env, 'workflows');
    expect([none.code, none.stderr]).toEqual([0, expect.stringContaining('VictoriaLogs at http')]);
    // A directory that is named is meant.
    const files = await run(env, 'tasks', '--dir', cwd);
    expect([files.code, files.stderr]).toEqual([0, expect.stringContaining('no tasks yet in /')]);
  });

  test('logs -f prints what comes, until the task is over', async () => {
    const { env, service } = await filled();
    await service.logs([metadata('running', 1, 'task-live'), outputLog(2, 'first\n', 'task-live')]);
    const following = startCommand(['logs', '-f', 'task-live'], { cwd, env });
    let printed = '';
    following.child.stdout?.on('data', (piece) => {
      printed += String(piece);
    });
    await until(() => printed.includes('first'), 'what is there');
    await service.logs([outputLog(4, 'second\n', 'task-live')]);
    await until(() => printed.includes('second'), 'what comes');
    await service.logs([result(5, 'task-live')]);
    expect(await following.ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/second[\s\S]*completed/),
    });
  });

  test('mcp answers', async () => {
    const { env } = await filled();
    const transport = new StdioClientTransport({
      ...{ command: process.execPath, args: [MAIN, 'mcp'], stderr: 'inherit' },
      env: { PATH: process.env.PATH ?? '', HOME: cwd, ...env },
    });
    const client = new Client({ name: 'test', version: '1' });
    onTestFinished(() => client.close());
    await client.connect(transport);
    expect(
      partsOf((await callTool(client, 'search_tasks', { q: 'status:completed' })).text).rows,
    ).toHaveLength(2);
    expect(partsOf((await callTool(client, 'health')).text).rows[0]).toMatchObject({
      store: expect.stringContaining('VictoriaLogs at'),
    });
  });

  test('those of files alone say so, and what to do', async () => {
    const env = { TASK_LOGS_STORE_URL: server.newTenant() };
    for (const [command, advice] of [
      ['open', 'the address of the balancer'],
      ['verify', 'import --check'],
      ['prune', '-retentionPeriod'],
      ['rebuild', 'made of its rows'],
      ['start', 'tasktrail serve'],
    ] as const) {
      const { code, stderr } = await run(env, command);
      expect([command, code === 0, stderr]).toEqual([command, false, expect.stringContaining(advice)]);
    }
  });

  test('one that is away says so', async () => {
    const store = `victorialogs://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await run({ TASK_LOGS_STORE_URL: store }, 'tasks');
    expect([code === 0, stderr]).toEqual([
      false,
      expect.stringMatching(/VictoriaLogs at http:\/\/127.*ECONNREFUSED/),
    ]);
  });
});
