import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Trail } from '../../../src/trail/trail.ts';
import { asEvent, comment, deliver, SECRET } from '../../support/deliveries.ts';
import { type Listening, listen, openReceiver, openTrail, readLines } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let logDir: string;
let trail: Trail;
let api: Listening;
const seen: Seen[] = [];
let answerWith: number | 'nothing' = 201;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-reaction-'));
  trail = await openTrail(logDir);
  api = await listen((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    req.on('end', () => {
      seen.push({ method: req.method, url: req.url, headers: req.headers, body });
      if (answerWith !== 'nothing') res.writeHead(answerWith).end('{}');
    });
  });
});

afterAll(async () => {
  await api.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

async function stageOf(payload: object, event: string, apiUrl: string): Promise<Record<string, unknown>> {
  const receiver = await openReceiver({ github: { secret: SECRET, token: 'ghp_test', apiUrl } });
  const response = await deliver(receiver.url, asEvent(event, payload), { event });
  expect(response.status).toBe(202);
  const taskId = receiver.tasks[0]?.id ?? '';
  await receiver.close();
  return until(async () => {
    const lines = await readLines(join(logDir, taskId, '02-webhook-flow.jsonl'));
    return lines.find(({ stage }) => stage === 'immediate_response');
  }, 'the stage');
}

test('with a token an eyes reaction is added to the comment', async () => {
  answerWith = 201;
  const stage = await stageOf(comment('@agent review', {}, 7), 'issue_comment', api.url);
  expect(stage).toMatchObject({ action: 'reaction', status: 'sent', success: true });
  const request = seen.at(-1);
  expect(request).toMatchObject({
    method: 'POST',
    url: '/repos/acme/app/issues/comments/7/reactions',
    headers: { authorization: 'Bearer ghp_test', accept: 'application/vnd.github+json' },
  });
  expect(JSON.parse(request?.body ?? '')).toEqual({ content: 'eyes' });
});

test.each([
  ['pull_request_review_comment', 'created', '/repos/acme/app/pulls/comments/7/reactions'],
  ['commit_comment', 'created', '/repos/acme/app/comments/7/reactions'],
  ['issues', 'opened', '/repos/acme/app/issues/42/reactions'],
  ['pull_request', 'opened', '/repos/acme/app/issues/9/reactions'],
])('a reaction to %s.%s goes to its own address', async (event, action, url) => {
  answerWith = 201;
  const body = '@agent review';
  const more = {
    action,
    ...(event === 'issues' && { issue: { number: 42, body } }),
    ...(event === 'pull_request' && { issue: undefined, pull_request: { number: 9, body } }),
  };
  const payload = comment(body, more, 7);
  expect(await stageOf(payload, event, api.url)).toMatchObject({ status: 'sent' });
  expect(seen.at(-1)?.url).toBe(url);
});

test('an event without reactions gets none', async () => {
  const before = seen.length;
  const payload = comment(null, { action: 'submitted', review: { id: 3, body: '@agent review' } });
  expect(await stageOf(payload, 'pull_request_review', api.url)).toMatchObject({ status: 'skipped' });
  expect(seen.length).toBe(before);
});

test('an invalid repository name is not used in a URL', async () => {
  const before = seen.length;
  const payload = comment('@agent review', { repository: { full_name: '../../user' } });
  expect(await stageOf(payload, 'issue_comment', api.url)).toMatchObject({ status: 'skipped' });
  expect(seen.length).toBe(before);
});

test('a refused reaction does not fail the webhook', async () => {
  answerWith = 403;
  const stage = await stageOf(comment('@agent review'), 'issue_comment', api.url);
  expect(stage).toMatchObject({ status: 'failed', success: false, reason: 'GitHub answered 403' });
});

test('an unreachable API does not fail the webhook', async () => {
  const gone = await listen(() => {});
  await gone.close();
  const stage = await stageOf(comment('@agent review'), 'issue_comment', gone.url);
  expect(stage).toMatchObject({ status: 'failed', success: false, reason: expect.stringMatching(/.+/) });
});

test('the webhook does not wait for an API that never answers', { tags: 'full' }, async () => {
  answerWith = 'nothing';
  const stage = await stageOf(comment('@agent review'), 'issue_comment', api.url);
  expect(stage).toMatchObject({ status: 'failed', success: false });
});
