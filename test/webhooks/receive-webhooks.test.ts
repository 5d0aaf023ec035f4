import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Trail } from '../../src/trail/trail.ts';
import { comment, deliver, octokitExamples, SECRET, sign } from '../support/deliveries.ts';
import { openReceiver, openTrail, type Receiver, readDeliveries, readLines } from '../support/receiver.ts';
import { until } from '../support/until.ts';

let logDir: string;
let trail: Trail;
let receiver: Receiver;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-webhooks-'));
  trail = await openTrail(logDir);
  receiver = await openReceiver();
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

async function deliveryOf(id: string): Promise<Record<string, unknown>> {
  return until(
    async () => (await readDeliveries(logDir)).find((line) => line.delivery_id === id),
    `the delivery ${id}`,
  );
}

async function problemOf(response: Response): Promise<{ status: number; code: unknown; detail: unknown }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const { status, code, detail } = (await response.json()) as Record<string, unknown>;
  expect(status).toBe(response.status);
  return { status: response.status, code, detail };
}

test('a comment with a command is accepted, with the id of the task that it starts', async () => {
  const id = randomUUID();
  const response = await deliver(receiver.url, comment('@agent review this'), { id });
  expect(response.status).toBe(202);
  const task = receiver.tasks.at(-1);
  expect(await response.json()).toEqual({ status: 'accepted', task_ids: [task?.id] });
  expect(task).toMatchObject({ command: 'review', message: '@agent review this', deliveryId: id });
  expect(await deliveryOf(id)).toMatchObject({
    provider: 'github',
    event_type: 'issue_comment.created',
    outcome: 'accepted',
    task_ids: [task?.id],
    trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

test('02 has the six stages with their fields, in order', async () => {
  const id = randomUUID();
  await deliver(receiver.url, comment('@agent review the second half', {}, 7), { id });
  const taskId = receiver.tasks.at(-1)?.id ?? '';
  const path = join(logDir, taskId, '02-webhook-flow.jsonl');
  const lines = await until(async () => {
    const found = await readLines(path);
    return found.length >= 6 ? found : undefined;
  }, 'six stages');
  expect(lines).toMatchObject([
    {
      stage: 'received',
      event_type: 'issue_comment.created',
      webhook_id: id,
      action: 'created',
      repo: 'acme/app',
      issue_number: 42,
      comment_id: 7,
    },
    { stage: 'validation', status: 'passed' },
    { stage: 'command_matching', matched: true, command: 'review', args: 'the second half' },
    { stage: 'immediate_response', action: 'reaction', status: 'skipped', success: false },
    { stage: 'task_created', task_id: taskId, command: 'review' },
    { stage: 'queue_push', task_id: taskId, queue: 'agent', status: 'queued' },
  ]);
  const times = lines.map(({ timestamp }) => String(timestamp));
  expect(times.every((time) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time))).toBe(true);
  expect([...times].sort()).toEqual(times);
  const ids = lines.map(({ event_id }) => String(event_id));
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(6);
  expect((await deliveryOf(id)).stages).toHaveLength(6);
});

test('input and metadata have the source of the task', async () => {
  const id = randomUUID();
  await deliver(receiver.url, comment('@agent fix it', {}, 8), { id });
  const taskId = receiver.tasks.at(-1)?.id ?? '';
  const input = await until(() => trail.reader.readDocument(taskId, 'input'), 'the input');
  expect(input).toEqual({
    message: '@agent fix it',
    source_metadata: {
      provider: 'github',
      event_type: 'issue_comment.created',
      webhook_id: id,
      repo: 'acme/app',
      issue_number: 42,
      comment_id: 8,
      user: 'jo',
      sender: 'jo',
      title: 'It is slow',
      url: 'https://github.test/acme/app/issues/42#issuecomment-8',
      command: 'fix',
    },
  });
  // The last document of a task to be written.
  const metadata = await until(() => trail.reader.readDocument(taskId, 'metadata'), 'the metadata');
  expect(metadata).toMatchObject({ source: 'webhook', provider: 'github', status: 'queued', command: 'fix' });
});

test.each([
  ['no command in it', 'issue_comment', comment('good morning')],
  ['an unknown command', 'issue_comment', comment('@agent dance')],
  ['a quoted command', 'issue_comment', comment('> @agent review')],
  ['a command in a code block', 'issue_comment', comment('```\n@agent review\n```')],
  ['no text', 'issue_comment', comment(null)],
  ['a bot as its sender', 'issue_comment', comment('@agent review', { sender: { type: 'Bot' } })],
  ['an action that starts nothing', 'issue_comment', comment('@agent review', { action: 'edited' })],
  ['the event ping', 'ping', { zen: 'Keep it logically awesome.', hook_id: 1 }],
  ['the event push', 'push', { ref: 'refs/heads/main' }],
  ['an unknown event', 'no_such_event', {}],
  ['the name of a property of every object', 'constructor', {}],
  ['an empty object', 'issue_comment', {}],
  ['fields of wrong types', 'issue_comment', { action: 'created', comment: 'text', issue: 7, sender: [] }],
])('a delivery with %s is received and starts nothing', async (_what, event, payload) => {
  const id = randomUUID();
  const before = receiver.tasks.length;
  const response = await deliver(receiver.url, payload, { event, id });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    status: 'received',
    actions: 0,
    message: expect.stringMatching(/.+/),
  });
  expect(receiver.tasks.length).toBe(before);
  expect(await deliveryOf(id)).toMatchObject({
    outcome: 'unmatched',
    reason: expect.stringMatching(/.+/),
    task_ids: [],
  });
});

test.each([
  ['missing', {}, 'missing_signature'],
  ['empty', { 'x-hub-signature-256': '' }, 'missing_signature'],
  ['of another secret', { 'x-hub-signature-256': sign('{}', 'another') }, 'wrong_signature'],
  ['of another body', { 'x-hub-signature-256': sign('{ }') }, 'wrong_signature'],
  ['malformed', { 'x-hub-signature-256': 'sha256=xyz' }, 'malformed_signature'],
  ['cut short', { 'x-hub-signature-256': sign('{}').slice(0, -1) }, 'malformed_signature'],
  ['too long', { 'x-hub-signature-256': sign('{}').padEnd(5_000, '0') }, 'malformed_signature'],
  ['SHA-1 only', { 'x-hub-signature': 'sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709' }, 'missing_signature'],
])('a signature that is %s is refused with 401', async (_what, headers, reason) => {
  const id = randomUUID();
  const response = await fetch(`${receiver.url}/webhooks/github`, {
    method: 'POST',
    headers: { 'x-github-event': 'ping', 'x-github-delivery': id, ...headers },
    body: '{}',
  });
  expect(await problemOf(response)).toMatchObject({ status: 401, code: 'ERR_SIGNATURE_INVALID' });
  expect(await deliveryOf(id)).toMatchObject({
    outcome: 'rejected',
    task_ids: [],
    stages: [{ stage: 'received' }, { stage: 'validation', status: 'failed', reason }],
  });
});

test.each([
  ['empty', ''],
  ['invalid JSON', '{"action": '],
  ['an array', '[1, 2]'],
  ['null', 'null'],
  ['a number', '42'],
  ['a string', '"@agent review"'],
  ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
])('a body with a valid signature that is %s is refused with 400', async (_what, body) => {
  const id = randomUUID();
  const response = await deliver(receiver.url, body, { id });
  expect(await problemOf(response)).toMatchObject({ status: 400, code: 'ERR_INPUT_INVALID' });
  expect(await deliveryOf(id)).toMatchObject({ outcome: 'rejected' });
});

test.each([
  ['announces its length', true],
  ['does not announce its length', false],
])('a body above 25 MiB that %s is refused with 413', async (_what, announced) => {
  const id = randomUUID();
  const body = Buffer.alloc(26_214_401, 'x');
  const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const headers = {
      'x-github-delivery': id,
      'x-hub-signature-256': sign(body),
      ...(announced && { 'content-length': body.length }),
    };
    const req = request(`${receiver.url}/webhooks/github`, { method: 'POST', headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('error', reject);
    req.end(body);
  });
  expect(answer).toMatchObject({ status: 413, text: expect.stringContaining('"ERR_TOO_LARGE"') });
  expect(await deliveryOf(id)).toMatchObject({ outcome: 'rejected' });
});

test('neither Content-Type nor a delivery id is needed', async () => {
  const body = JSON.stringify(comment('@agent review'));
  const response = await fetch(`${receiver.url}/webhooks/github`, {
    method: 'POST',
    headers: { 'x-github-event': 'issue_comment', 'x-hub-signature-256': sign(body) },
    body: new Blob([body]),
  });
  expect(response.status).toBe(202);
});

test('a webhook that sends forms is read, too', async () => {
  const body = `payload=${encodeURIComponent(JSON.stringify(comment('@agent review')))}`;
  const response = await deliver(receiver.url, body, {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(response.status).toBe(202);
  const empty = await deliver(receiver.url, 'other=1', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(empty.status).toBe(400);
});

test('without a secret every delivery is answered with 503 and recorded', async () => {
  const open = await openReceiver({ github: { secret: undefined } });
  const id = randomUUID();
  const response = await deliver(open.url, comment('@agent review'), { id });
  const problem = await problemOf(response);
  expect(problem).toMatchObject({ status: 503, code: 'ERR_NOT_CONFIGURED' });
  expect(problem.detail).toContain('GITHUB_WEBHOOK_SECRET');
  expect(open.tasks).toEqual([]);
  await open.close();
  expect(await deliveryOf(id)).toMatchObject({ outcome: 'rejected' });
});

test('a repeated delivery starts nothing, and its answer has the earlier tasks', async () => {
  const id = randomUUID();
  const first = (await (await deliver(receiver.url, comment('@agent review'), { id })).json()) as object;
  const before = receiver.tasks.length;
  const again = await deliver(receiver.url, comment('@agent review'), { id });
  expect(again.status).toBe(200);
  expect(await again.json()).toEqual({
    status: 'duplicate',
    actions: 0,
    message: 'this delivery was taken before',
    task_ids: Reflect.get(first, 'task_ids'),
  });
  expect(receiver.tasks.length).toBe(before);
  const lines = await until(async () => {
    const found = (await readDeliveries(logDir)).filter((line) => line.delivery_id === id);
    return found.length === 2 ? found : undefined;
  }, 'both lines');
  expect(lines.map(({ outcome }) => outcome).sort()).toEqual(['accepted', 'duplicate']);
});

test('one of ten equal deliveries at the same time starts a task, and all answers name it', async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const started: string[] = [];
  const slow = await openReceiver({
    onTask: async (task) => {
      started.push(task.id);
      await gate;
    },
  });
  const id = randomUUID();
  const answers = Array.from({ length: 10 }, () => deliver(slow.url, comment('@agent review'), { id }));
  // All ten arrive before the first task is queued.
  await deliver(slow.url, {}, { event: 'ping' });
  open();
  const responses = await Promise.all(answers);
  expect(responses.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 202]);
  expect(started).toHaveLength(1);
  for (const response of responses) expect(await response.json()).toMatchObject({ task_ids: started });
  await slow.close();
});

test('a task that cannot be queued fails, its delivery is answered with 503, and may be sent again', async () => {
  let isUp = false;
  const taken: string[] = [];
  const flaky = await openReceiver({
    onTask: (task) =>
      task.enqueue({ queue: 'agent', system: 'test' }, async () => {
        if (!isUp) throw new RangeError('no room');
        taken.push(task.id);
      }),
  });
  const id = randomUUID();
  const [first, twin] = await Promise.all([
    deliver(flaky.url, comment('@agent review'), { id }),
    deliver(flaky.url, comment('@agent review'), { id }),
  ]);
  for (const response of [first, twin]) {
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'ERR_QUEUE_UNAVAILABLE' });
  }
  const line = await deliveryOf(id);
  expect(line).toMatchObject({ outcome: 'rejected' });
  isUp = true;
  expect((await deliver(flaky.url, comment('@agent review'), { id })).status).toBe(202);
  expect(taken).toHaveLength(1);
  await flaky.close();
  // A refused task is a stage of its delivery, and no task.
  const refused = (await readDeliveries(logDir)).filter((entry) => entry.delivery_id === id);
  expect(refused.filter(({ outcome }) => outcome === 'rejected').map((entry) => entry.task_ids)).toEqual([
    [],
    [],
  ]);
  expect(JSON.stringify(refused)).toContain('no room');
});

test('an unexpected error is reported, and answered with a 500 without details', async () => {
  const seen: unknown[] = [];
  const broken = await openReceiver({
    commands: new Proxy([], {
      get: () => {
        throw new RangeError('secret inside');
      },
    }),
    onError: (error) => seen.push(error),
  });
  const id = randomUUID();
  const response = await deliver(broken.url, comment('@agent review'), { id });
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('secret inside');
  expect(seen).toHaveLength(1);
  await broken.close();
  expect(await deliveryOf(id)).toMatchObject({ outcome: 'rejected' });
});

test('a GET is refused, and another path is not found', async () => {
  const get = await fetch(`${receiver.url}/webhooks/github`);
  expect(get.headers.get('allow')).toBe('POST');
  expect(await problemOf(get)).toMatchObject({ status: 405, code: 'ERR_METHOD_NOT_ALLOWED' });
  const other = await fetch(`${receiver.url}/webhooks/gitlab`, { method: 'POST' });
  expect(await problemOf(other)).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
});

test('no example payload of any event causes a 5xx, and each is recorded in one line', {
  tags: 'full',
}, async () => {
  const examples = octokitExamples();
  expect(examples.length).toBeGreaterThan(200);
  const prefix = randomUUID();
  const statuses = new Map<number, number>();
  for (let at = 0; at < examples.length; at += 20) {
    const responses = examples
      .slice(at, at + 20)
      .map(({ event, payload }, n) => deliver(receiver.url, payload, { event, id: `${prefix}-${at + n}` }));
    for (const response of await Promise.all(responses)) {
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      await response.body?.cancel();
    }
  }
  expect([...statuses]).toEqual([[200, examples.length]]);
  await until(async () => {
    const lines = await readDeliveries(logDir);
    const mine = lines.filter(({ delivery_id }) => String(delivery_id).startsWith(prefix));
    return mine.length === examples.length ? mine : undefined;
  }, 'a line for each example');
});

test('an example of each event with a text starts a task when the text has a command', async () => {
  const spoken = [
    ['issue_comment', 'created', 'comment'],
    ['pull_request_review_comment', 'created', 'comment'],
    ['pull_request_review', 'submitted', 'review'],
    ['commit_comment', 'created', 'comment'],
    ['discussion_comment', 'created', 'comment'],
    ['issues', 'opened', 'issue'],
    ['pull_request', 'opened', 'pull_request'],
  ] as const;
  for (const [event, action, part] of spoken) {
    const example = octokitExamples().find(
      (entry) => entry.event === event && Reflect.get(entry.payload, 'action') === action,
    );
    expect(example, event).toBeDefined();
    const payload = example?.payload ?? {};
    const said = { ...Object(Reflect.get(payload, part)), body: '@agent review' };
    const sender = { ...Object(Reflect.get(payload, 'sender')), type: 'User' };
    const response = await deliver(receiver.url, { ...payload, [part]: said, sender }, { event });
    expect(response.status, event).toBe(202);
    expect(receiver.tasks.at(-1)?.input.sourceMetadata?.repo, event).toMatch(/.+\/.+/);
  }
});

test('no file holds the secret', async () => {
  await trail.flush();
  for (const line of await readDeliveries(logDir)) expect(JSON.stringify(line)).not.toContain(SECRET);
});

test('what the markup of a comment names as a secret stands nowhere, neither as an argument nor as an unknown command', async () => {
  const secret = 'k9Zq7Wx2Rb5Ty8Np3a';
  const id = randomUUID();
  await deliver(receiver.url, comment(`@agent review <password>${secret}</password>`, {}, 801), { id });
  const taskId = receiver.tasks.at(-1)?.id ?? '';
  const lines = await until(async () => {
    const found = await readLines(join(logDir, taskId, '02-webhook-flow.jsonl'));
    return found.length >= 6 ? found : undefined;
  }, 'six stages');
  expect(lines[2]).toMatchObject({ stage: 'command_matching', matched: true, command: 'review' });
  expect(JSON.stringify(lines)).not.toContain(secret);
  const unknown = randomUUID();
  await deliver(receiver.url, comment(`@agent <password>${secret}</password>`, {}, 802), { id: unknown });
  const delivery = await deliveryOf(unknown);
  expect(delivery).toMatchObject({ outcome: 'unmatched' });
  expect(JSON.stringify(delivery)).not.toContain(secret);
  expect(JSON.stringify(delivery)).toContain('unknown command');
});
