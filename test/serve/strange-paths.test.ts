import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { rawHttp, rawRequest } from '../support/raw-http.ts';
import { ask, listen, tempDir, writeTask } from './log-server.ts';

async function open(): Promise<number> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1' } });
  mkdirSync(join(dir, '_webhooks'), { recursive: true });
  writeFileSync(join(dir, 'metadata.json'), '{"outside":true}\n');
  return listen(serveLogs({ reader: createReader(dir) }));
}

test.each([
  '/tasks/%2e%2e',
  '/tasks/%2e%2e%2fmetadata.json',
  '/tasks/..%2f..%2fetc%2fpasswd',
  '/tasks/%2e/logs/metadata',
  '/tasks/..%5c..%5cx',
  '/tasks/task-1%00',
  '/tasks/task-1%2flogs',
  '/tasks/%C0%AE%C0%AE',
  '/tasks/%FF',
  '/tasks/%',
  '/tasks/_webhooks',
  '/tasks/.hidden',
  '/tasks/-rf',
  '/tasks/con',
  '/tasks/task-1%20',
  '/tasks/task-1./logs/metadata',
  '/tasks/TASK-1',
  `/tasks/${'x'.repeat(10_000)}`,
  '/tasks//',
  '/tasks/../../etc/passwd',
  '/workflows/%2e%2e',
  `/workflows/${'x'.repeat(10_000)}`,
  '/nothing/%2e%2e/here',
  '/tasks?limit=0',
  '/tasks?limit=999999999999',
  '/tasks?unknown=1',
  '/tasks?status=completed&status=failed',
  `/tasks?${'a=1&'.repeat(3_000)}`,
  `/tasks?${Array.from({ length: 2_000 }, (_, n) => `p${n}=1`).join('&')}`,
  '/tasks?__proto__=1',
  '/tasks?constructor=1',
  '/tasks?cursor=%00',
  '/tasks?since=%FF',
])('%s is answered with 4xx, shortly', async (path) => {
  const { status, text, headers } = await ask(await open(), path);
  expect([400, 404]).toContain(status);
  expect(text.length).toBeLessThan(1_500);
  expect(text).not.toContain('outside');
  expect(headers['content-type']).toBe('application/problem+json');
});

test.each(['OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'])('%s is not allowed', async (method) => {
  const answer = await rawHttp(
    await open(),
    rawRequest(`${method} /tasks/task-1 HTTP/1.1`, ['Host: localhost']),
  );
  expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
});

test('HEAD has the headers of GET and no body', async () => {
  const port = await open();
  const [get, head] = [
    await ask(port, '/tasks/task-1'),
    await ask(port, '/tasks/task-1', { method: 'HEAD' }),
  ];
  expect([head.status, head.text]).toEqual([200, '']);
  expect(head.headers['content-length']).toBe(get.headers['content-length']);
});
