import { expect, onTestFinished, test } from 'vitest';
import { TasktrailError } from '../../src/errors.ts';
import { sendJson } from '../../src/serve/json-response.ts';
import { createHandler, type Methods, type RouteOptions } from '../../src/serve/routes.ts';
import { listen } from '../support/receiver.ts';
import { allowOtherAnswers } from '../support/watch-answers.ts';

async function serve(routes: Record<string, Methods>, options: RouteOptions = {}): Promise<string> {
  const handler = createHandler(routes, options);
  const { url, close } = await listen((req, res) => handler(req, res));
  onTestFinished(close);
  return url;
}

const ECHO: Methods = { GET: (req, res) => sendJson(res, { status: 200, value: req.params }) };

test('a path is answered with its parameters, for GET and for HEAD', async () => {
  const url = await serve({ '/tasks/:id': ECHO });
  expect(await (await fetch(`${url}/tasks/a%20b`)).json()).toEqual({ id: 'a b' });
  expect((await fetch(`${url}/tasks/x`, { method: 'HEAD' })).status).toBe(200);
});

test('another method is refused with a list of the allowed methods', async () => {
  const url = await serve({ '/tasks': { ...ECHO, POST: () => {} } });
  const response = await fetch(`${url}/tasks`, { method: 'DELETE' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
});

test('an unknown path is 404, and a path that cannot be decoded is 400', async () => {
  const url = await serve({ '/tasks/:id': ECHO });
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  const broken = await fetch(`${url}/tasks/%E0%A4%A`);
  expect(broken.status).toBe(400);
  expect(await broken.json()).toMatchObject({ code: 'ERR_ID_INVALID' });
});

test('an error of a handler is answered; only an internal one is reported', async () => {
  const reported: unknown[] = [];
  const fail = (error: unknown): Methods => ({
    GET: async () => {
      throw error;
    },
  });
  const routes = { '/a': fail(new TasktrailError('ERR_CONFLICT', 'twice')), '/b': fail(new Error('boom')) };
  const url = await serve(routes, { onError: (error) => reported.push(error) });
  expect((await fetch(`${url}/a`)).status).toBe(409);
  const internal = await fetch(`${url}/b`);
  expect(internal.status).toBe(500);
  expect(await internal.text()).not.toContain('boom');
  expect(reported).toEqual([expect.objectContaining({ message: 'boom' })]);
});

test('a token guards every route, but not the paths of other handlers', async () => {
  allowOtherAnswers();
  const url = await serve({ '/tasks': ECHO }, { token: 'token-of-sixteen' });
  expect((await fetch(`${url}/tasks`)).status).toBe(401);
  expect((await fetch(`${url}/other`)).status).toBe(404);
  const headers = { authorization: 'Bearer token-of-sixteen' };
  expect((await fetch(`${url}/tasks`, { headers })).status).toBe(200);
});
