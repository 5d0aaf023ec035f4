import { expect, test } from 'vitest';
import { type ErrorCode, TasktrailError } from '../../src/errors.ts';
import { ProblemError, problemStatus, sendProblem } from '../../src/serve/problem.ts';
import { ask, listen } from './log-server.ts';

const STATUSES: Readonly<Record<ErrorCode, number>> = {
  ERR_AGENT_FAILED: 500,
  ERR_CONFIG_INVALID: 500,
  ERR_BUSY: 503,
  ERR_CONFLICT: 409,
  ERR_DIRECTORY_HELD: 500,
  ERR_DIRECTORY_UNUSABLE: 500,
  ERR_ENCODING_UNSUPPORTED: 415,
  ERR_GONE: 410,
  ERR_ID_INVALID: 400,
  ERR_INPUT_INVALID: 400,
  ERR_METHOD_NOT_ALLOWED: 405,
  ERR_NOT_CONFIGURED: 503,
  ERR_NOT_FOUND: 404,
  ERR_PORT_IN_USE: 500,
  ERR_QUEUE_UNAVAILABLE: 503,
  ERR_SIGNATURE_INVALID: 401,
  ERR_STEP_FAILED: 500,
  ERR_STORE_UNAVAILABLE: 503,
  ERR_TOO_LARGE: 413,
  ERR_TYPE_UNSUPPORTED: 415,
  ERR_UNAUTHORIZED: 401,
  ERR_UNEXPECTED: 500,
};

test('every code has its status, and only a failure of ours hides its message', async () => {
  const unexpected: unknown[] = [];
  const port = await listen((req, res) => {
    const error = new TasktrailError(req.url?.slice(1) as ErrorCode, 'what happened');
    sendProblem(res, error, (failure) => unexpected.push(failure));
  });
  for (const [code, status] of Object.entries(STATUSES)) {
    unexpected.length = 0;
    const got = await ask(port, `/${code}`);
    expect(got.status, code).toBe(status);
    expect(got.headers['content-type'], code).toBe('application/problem+json');
    expect(got.headers['cache-control'], code).toBe('no-store');
    const problem = got.json();
    expect(Object.keys(problem), code).toEqual(['type', 'title', 'status', 'detail', 'code']);
    expect(problem, code).toMatchObject({ code, status });
    expect(problem.detail === 'what happened', code).toBe(status !== 500);
    expect(unexpected.length, code).toBe(status === 500 ? 1 : 0);
  }
});

test('an error may replace status, title, type and headers of its code, and keeps its code', async () => {
  const error = new ProblemError('ERR_INPUT_INVALID', 'too slow', {
    problem: {
      status: 408,
      title: 'Slow',
      type: 'slow',
      headers: { Connection: 'close', 'X-Two': ['a', 'b'] },
    },
  });
  const port = await listen((_req, res) => sendProblem(res, error));
  const got = await ask(port, '/');
  expect(got.status).toBe(408);
  expect(got.headers).toMatchObject({ connection: 'close', 'x-two': 'a, b', 'cache-control': 'no-store' });
  const type = 'urn:tasktrail:problem:slow';
  const expected = { type, title: 'Slow', status: 408, detail: 'too slow', code: 'ERR_INPUT_INVALID' };
  expect(got.json()).toEqual(expected);
  expect(problemStatus(error)).toBe(408);
});

test('an answer that has begun is cut off rather than ended with a problem in it', async () => {
  const port = await listen((_req, res) => {
    res.write('[1,');
    sendProblem(res, new TasktrailError('ERR_NOT_FOUND', 'gone'));
  });
  await expect(ask(port, '/')).rejects.toMatchObject({ code: 'ECONNRESET' });
});
