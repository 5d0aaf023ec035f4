import { expect, test } from 'vitest';
import { ENDPOINTS } from '../../../src/serve/contract/endpoints.ts';
import { querySchemas } from '../../../src/serve/contract/openapi.ts';
import { serveLogs } from '../../../src/serve/logs.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { fc } from '../../support/fast-check.ts';
import { listen, tempDir, writeTask } from '../log-server.ts';

const streams = ENDPOINTS.filter(({ path }) => path.endsWith('/stream'));

const value = fc.oneof(
  fc.constantFrom(
    'true',
    'false',
    'now',
    'failed',
    '2h',
    '5',
    '0',
    'task-1',
    'l0',
    '0_0_0_0_0_0',
    'a.b-c',
    'cost:>1',
  ),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

test('no generated request for a stream is answered with 500 or an undescribed status', async () => {
  expect(streams).toHaveLength(4);
  const dir = await tempDir();
  const metadata = { task_id: 'task-1', created_at: '2026-01-01T00:00:00.000Z', status: 'running' };
  writeTask(dir, 'task-1', { metadata, agentOutput: '{"type":"output","content":"a"}\n' });
  const errors: unknown[] = [];
  const handler = serveLogs({ reader: createReader(dir), onError: (error) => errors.push(error) });
  const port = await listen(handler);
  const request = fc.constantFrom(...streams).chain((endpoint) => {
    const name = fc.constantFrom(...Object.keys(querySchemas(endpoint)), 'colour');
    const query = fc.array(fc.tuple(name, value), { maxLength: 4 });
    const id = fc.constantFrom('task-1', 'task-2', '%00', 'a%2Fb');
    const header = fc.option(fc.constantFrom('x', '0', 'l0', 'now', 'a-b', '9'.repeat(9_000)));
    return fc.record({ path: id.map((one) => endpoint.path.replace('{id}', one)), query, header });
  });
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(request, async ({ path, query, header }) => {
      const reading = new AbortController();
      const url = `http://127.0.0.1:${port}${path.slice('/api'.length)}?${new URLSearchParams(query)}`;
      const headers: Record<string, string> = header === null ? {} : { 'Last-Event-ID': header };
      const response = await fetch(url, { headers, signal: reading.signal });
      statuses.add(response.status);
      // The setup of the tests compares it with the definitions, too.
      expect(response.status).toBeLessThan(500);
      reading.abort();
    }),
    { numRuns: 300 },
  );
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 404]));
  expect(errors).toEqual([]);
  handler.close();
});
