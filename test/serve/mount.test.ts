import { createServer } from 'node:http';
import express from 'express';
import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import { notFound } from '../../src/serve/problem.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { ask, listen, tempDir, writeTask } from './log-server.ts';

async function mountInExpress(path: string): Promise<number> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1' }, agentOutput: '{"type":"output"}\n' });
  const app = express();
  app.use(path, serveLogs({ reader: createReader(dir), token: 'abc' }));
  app.get(`${path}/own`, (_req, res) => {
    res.json({ own: true });
  });
  app.use(notFound);
  return listen(createServer(app));
}

const TOKEN = { headers: { authorization: 'Bearer abc' } };

test.each(['/api', '/v1/deeper/api'])(
  'mounted in Express at %s, links carry the mount path',
  async (mount) => {
    const port = await mountInExpress(mount);
    const task = await ask(port, `${mount}/tasks/task-1`, TOKEN);
    expect(task.status).toBe(200);
    const links = task.json().links as Record<string, string>;
    expect(links.agent_output).toBe(`${mount}/tasks/task-1/logs/agent-output`);
    const output = await ask(port, links.agent_output ?? '', TOKEN);
    expect(output.json()).toEqual([{ type: 'output' }]);
    expect((await ask(port, `${mount}/tasks`, TOKEN)).json()).toMatchObject({ next_cursor: null });
  },
);

test('inside a router of the user, the whole mount path counts', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1' } });
  const inner = express.Router();
  inner.use('/logs', serveLogs({ reader: createReader(dir) }));
  const app = express();
  app.use('/teams/:team', inner);
  const port = await listen(createServer(app));
  const { links } = (await ask(port, '/teams/red/logs/tasks/task-1')).json() as { links: { full: string } };
  expect(links.full).toBe('/teams/red/logs/tasks/task-1/logs/full');
  expect((await ask(port, links.full)).status).toBe(200);
});

test('mounted, a path that is not ours stays with the app, token or not', async () => {
  const port = await mountInExpress('/api');
  expect((await ask(port, '/api/own')).json()).toEqual({ own: true });
  const unknown = await ask(port, '/api/tasks/task-1/unknown');
  expect(unknown.status).toBe(404);
  expect(unknown.headers['content-type']).toBe('application/problem+json');
});

test('mounted, hostile ids and bad encodings are answered by us, not by the error page of the app', async () => {
  const port = await mountInExpress('/api');
  for (const id of ['..%2f..%2fetc', '%2e%2e', '%zz', 'x'.repeat(1000)]) {
    const got = await ask(port, `/api/tasks/${id}/logs/metadata`, TOKEN);
    expect(got.status, id).toBe(400);
    expect(got.json(), id).toMatchObject({ code: 'ERR_ID_INVALID' });
  }
});
