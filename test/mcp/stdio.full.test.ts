import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir, writeBigFlow, writeTask } from '../serve/log-server.ts';
import { MAIN } from '../support/built.ts';
import { firstTaskId, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { callTool, connectClient, partsOf } from './mcp-fixture.ts';

const METADATA = {
  task_id: 'task-1',
  status: 'completed',
  created_at: '2026-11-01T10:00:00.000Z',
  source: 'cli',
};

async function connectProcess(dir: string): Promise<{ readonly client: Client; readonly pid: number }> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'mcp', '--dir', dir],
    env: { PATH: process.env.PATH ?? '', HOME: dir },
    stderr: 'inherit',
  });
  const client = new Client({ name: 'test', version: '1' });
  onTestFinished(() => client.close());
  await client.connect(transport);
  return { client, pid: transport.pid ?? 0 };
}

function startBare(dir: string): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [MAIN, 'mcp', '--dir', dir], {
    env: { PATH: process.env.PATH ?? '', HOME: dir },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

function filesBelow(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
}

test('a client reads a directory without a service, and nothing is written there', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: METADATA, input: { message: 'fix it' } });
  const before = filesBelow(dir);
  const { client } = await connectProcess(dir);
  expect(partsOf((await callTool(client, 'search_tasks', { q: 'fix' })).text).rows).toEqual([
    expect.objectContaining({ task_id: 'task-1' }),
  ]);
  const health = partsOf((await callTool(client, 'health')).text).rows[0];
  expect(health).toMatchObject({ status: 'no service runs', holder: null, newest_task: 'task-1' });
  const bad = await callTool(client, 'search_tasks', { q: 'status:odd' });
  expect([bad.isError, bad.text.includes('character 8')]).toEqual([true, true]);
  await client.close();
  expect(filesBelow(dir)).toEqual(before);
});

test('input from a file or of no bytes ends it with 0, after the last answer', async () => {
  const dir = await tempDir();
  const call = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'health', arguments: {} } };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
  const first = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
  const file = join(dir, 'input');
  appendFileSync(file, `${JSON.stringify(first)}\ngarbage\n${JSON.stringify(call)}`);
  for (const [path, ids] of [
    ['/dev/null', []],
    [file, [1, 2, null]],
  ] as const) {
    const { status, stdout } = spawnSync(process.execPath, [MAIN, 'mcp', '--dir', dir], {
      stdio: [openSync(path, 'r'), 'pipe', 'inherit'],
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    const answers = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ id }) => id).sort()).toEqual(ids);
    if (ids.length > 0)
      expect(answers).toContainEqual({
        jsonrpc: '2.0',
        id: null,
        error: { code: -32_700, message: 'Parse error' },
      });
  }
});

test('it ends with its input, and standard output has only the protocol', async () => {
  const dir = await tempDir();
  const child = startBare(dir);
  let out = '';
  child.stdout.on('data', (piece: Buffer) => {
    out += piece.toString('utf8');
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
  child.stdin.write('no json\n\n{"jsonrpc":"2.0"}\n[1]\n');
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
  await until(() => out.includes('"id":1'), 'the answer');
  child.stdin.end();
  expect(await exited).toBe(0);
  const messages = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { jsonrpc: string });
  expect(messages.every(({ jsonrpc }) => jsonrpc === '2.0')).toBe(true);
});

test('a message without an end does not grow for ever', async () => {
  const child = startBare(await tempDir());
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stdin.on('error', () => {
    // EPIPE: the other end has closed.
  });
  const block = 'x'.repeat(65_536);
  const timer = setInterval(() => child.stdin.write(block), 5);
  onTestFinished(() => clearInterval(timer));
  expect(await exited).not.toBeNull();
  clearInterval(timer);
});

test('beside a running service: the command reads its directory, and POST /mcp answers the same', async () => {
  const cwd = await tempDir();
  const service = await ServiceProcess.start({ cwd, env: { TASK_LOGS_AGENT_COMMAND: 'cat' } });
  onTestFinished(() => service.dispose());
  const id = firstTaskId(await (await service.submit({ message: 'say hello' })).json());
  await until(async () => {
    const got = await fetch(`${service.url}/api/tasks/${id}`);
    return got.ok && ((await got.json()) as { status: string }).status === 'completed';
  }, 'the task to end');
  const { client } = await connectProcess(join(cwd, 'logs'));
  const http = await connectClient(Number(new URL(service.url).port));
  for (const one of [client, http]) {
    const { rows } = partsOf((await callTool(one, 'read_output', { task_id: id })).text);
    expect(rows.map((row) => row.content)).toEqual(['say hello']);
    const timeline = partsOf((await callTool(one, 'get_timeline', { task_id: id })).text).rows;
    expect(timeline.map((row) => row.kind)).toEqual(
      expect.arrayContaining(['task', 'attempt', 'phase', 'step', 'agent']),
    );
    const same = await callTool(one, 'compare_attempts', { a: { task_id: id }, b: { task_id: id } });
    expect(same.text).toMatch(/^No difference\./);
  }
  expect(partsOf((await callTool(client, 'health')).text).rows[0]).toMatchObject({
    status: 'a service runs',
  });
  expect(partsOf((await callTool(http, 'health')).text).rows[0]).toMatchObject({
    status: 'ready',
    reasons: {},
  });
  const foreign = await fetch(`${service.url}/mcp`, {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
  });
  expect(foreign.status).toBe(403);
});

test('200 MB of output: every window is bounded, and memory stays flat', async () => {
  const dir = await tempDir();
  const count = writeBigFlow(dir, 'task-1', 200);
  const line = { timestamp: 't', type: 'tool_call', tool_name: 'Bash', content: 'y'.repeat(900_000) };
  for (let at = 0; at < 20; at += 1)
    appendFileSync(join(dir, 'task-1', '03-agent-output.jsonl'), `${JSON.stringify(line)}\n`);
  const { client, pid } = await connectProcess(dir);
  await callTool(client, 'search_tasks');
  const before = residentMegabytes(pid);
  for (const given of [
    {},
    { from_start: true, limit: 500 },
    { after: `@${count / 2}`, limit: 500 },
    { limit: 500 },
  ]) {
    const { text, isError } = await callTool(client, 'read_output', { task_id: 'task-1', ...given });
    expect(isError, text.slice(0, 300)).toBe(false);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(32_768);
  }
  const both = { a: { task_id: 'task-1' }, b: { task_id: 'task-1' } };
  expect((await callTool(client, 'compare_attempts', both)).text).toMatch(/^No difference\./);
  expect(peakMegabytes(pid) - before).toBeLessThan(150);
});

function residentMegabytes(pid: number): number {
  return statusField(pid, 'VmRSS');
}

function peakMegabytes(pid: number): number {
  return statusField(pid, 'VmHWM');
}

function statusField(pid: number, name: string): number {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return 0;
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(path, 'utf8'))?.[1] ?? 0) / 1_024;
}
