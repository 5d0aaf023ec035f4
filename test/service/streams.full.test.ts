import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { firstTaskId, ServiceProcess } from '../support/service-process.ts';
import { SseClient } from '../support/sse.ts';
import { until } from '../support/until.ts';

/** Prints a line, waits for the file `go`, and prints another one. */
const AGENT = ['sh', '-c', 'cat >/dev/null; echo first; until [ -e go ]; do sleep 0.1; done; echo second'];

async function start(cwd: string): Promise<{ service: ServiceProcess; port: number }> {
  const service = await ServiceProcess.start({
    cwd,
    env: { TASK_LOGS_AGENT_COMMAND: AGENT.map((word) => `'${word}'`).join(' ') },
  });
  onTestFinished(() => service.dispose());
  return { service, port: Number(new URL(service.url).port) };
}

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-streams-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('a task of the service is followed over HTTP, through a restart of the service, to its end', async () => {
  const cwd = await folder();
  const first = await start(cwd);
  const taskId = firstTaskId(await (await first.service.submit({ message: 'hello' })).json());
  const path = `/api/tasks/${taskId}/stream`;
  // The answer comes before the first record is stored.
  await until(async () => (await fetch(`${first.service.url}/api/tasks/${taskId}`)).ok, 'the task');
  const client = await SseClient.open(first.port, path);
  await until(() => client.of('line').some(({ content }) => content === 'first\n'), 'the first line');
  const list = await SseClient.open(first.port, '/api/stream');
  await until(() => list.of('task').some(({ task_id: id }) => id === taskId), 'the task in the list');
  const { code } = await first.service.stop();
  expect(code).toBe(0);
  await until(() => client.isEnded && list.isEnded, 'the end of the streams at shutdown');
  writeFileSync(join(cwd, 'go'), '');
  const second = await start(cwd);
  const again = await SseClient.open(second.port, path, { 'Last-Event-ID': client.lastId });
  await until(() => again.isEnded, 'the end of the stream');
  expect(again.names).toContain('end');
  const lines = [...client.of('line'), ...again.of('line')].map(({ event_id: id }) => id);
  expect(new Set(lines).size).toBe(lines.length);
  const stored = await fetch(`${second.service.url}/api/tasks/${taskId}/logs/agent-output`);
  const ids = ((await stored.json()) as { event_id: string }[]).map(({ event_id: id }) => id);
  expect([...lines].sort()).toEqual([...ids].sort());
  expect(again.names).not.toContain('reset');
});
