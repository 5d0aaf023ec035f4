import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { allowPartialAnswer, mayBePartial, tellPartial } from '../../src/serve/partial-answer.ts';
import { listen } from './log-server.ts';

/** Answers with what may be told, and with what was marked. */
async function server(): Promise<number> {
  return listen(
    createServer((req, res) =>
      allowPartialAnswer(req, res, () => {
        void (async () => {
          // As a handler that waits for the store.
          await delay(1);
          res.end(`${mayBePartial()} ${tellPartial()}`);
        })();
      }),
    ),
  );
}

test.each([
  ['GET', {}, true],
  ['HEAD', {}, true],
  ['GET', { prefer: 'respond-async' }, true],
  ['GET', { prefer: 'handling=lenient' }, true],
  ['GET', { prefer: 'handling=strict' }, false],
  ['GET', { prefer: 'wait=10, Handling = "strict"; x=1' }, false],
  // What changes something must know all.
  ['POST', {}, false],
])('%s with %j may be answered in part: %s', async (method, headers, isTold) => {
  const port = await server();
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method, headers });
  expect(answer.headers.get('task-logs-partial')).toBe(isTold ? 'true' : null);
  if (method !== 'HEAD') expect(await answer.text()).toBe(`${isTold} ${isTold}`);
});

test('answers at the same time do not mark each other, and one that has begun cannot be marked any more', async () => {
  expect(tellPartial()).toBe(false);
  const port = await listen(
    createServer((req, res) =>
      allowPartialAnswer(req, res, () => {
        void (async () => {
          await delay(5);
          if (req.url === '/late') res.write('x');
          if (req.url !== '/whole') res.end(String(tellPartial()));
          else res.end();
        })();
      }),
    ),
  );
  const paths = ['/late', '/whole', '/part', '/whole', '/part'];
  const answers = await Promise.all(paths.map((path) => fetch(`http://127.0.0.1:${port}${path}`)));
  expect(answers.map(({ headers }) => headers.get('task-logs-partial'))).toEqual([
    ...[null, null, 'true', null, 'true'],
  ]);
  expect(await answers[0]?.text()).toBe('xfalse');
});
