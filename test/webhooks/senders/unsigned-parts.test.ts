import { createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { receiveWebhooks } from '../../../src/express.ts';
import type { Trail } from '../../../src/trail/trail.ts';
import type { CustomOptions } from '../../../src/webhooks/custom/sender-options.ts';
import { eventOf } from '../../../src/webhooks/senders/github-event.ts';
import { comment, deliver, octokitExamples, SECRET } from '../../support/deliveries.ts';
import { listen, openReceiver, openTrail, type Receiver, readDeliveries } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { post, signSlack, slackMessage, VENDOR } from '../../support/vendors.ts';

let logDir: string;
let trail: Trail;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-unsigned-'));
  trail = await openTrail(logDir);
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

const FORM = 'application/x-www-form-urlencoded';

async function open(custom: Record<string, CustomOptions> = {}): Promise<Receiver> {
  const receiver = await openReceiver({ ...VENDOR.slack.options, github: { secret: SECRET }, custom });
  onTestFinished(() => receiver.close());
  return receiver;
}

const OTHER = { ...comment('@agent fix'), repository: { full_name: 'acme/other' } };
const INJECTED = `&payload=${encodeURIComponent(JSON.stringify(OTHER))}&`;

test.each([FORM, `${FORM}; charset=utf-8`, `${FORM.toUpperCase()}`, ` ${FORM} ;x=y`])(
  'signed JSON of GitHub that holds a form is refused as %j',
  async (type) => {
    const receiver = await open();
    const response = await deliver(receiver.url, comment(INJECTED), { headers: { 'content-type': type } });
    expect(response.status).toBe(400);
    expect(receiver.tasks).toEqual([]);
  },
);

test.each([' ', '\n\t', '\uFEFF', '\uFEFF '])('blanks %j before the JSON change nothing', async (blanks) => {
  const receiver = await open();
  const body = blanks + JSON.stringify(comment(INJECTED));
  expect((await deliver(receiver.url, body, { headers: { 'content-type': FORM } })).status).toBe(400);
  expect(receiver.tasks).toEqual([]);
});

test.each(['application/x-www-form-urlencodedx', `text/plain, ${FORM}`, 'multipart/form-data; boundary=x'])(
  '%s is no form: the JSON counts',
  async (type) => {
    const receiver = await open();
    const response = await deliver(receiver.url, comment(`@agent review ${INJECTED}`), {
      headers: { 'content-type': type },
    });
    expect(response.status).toBe(202);
    expect(receiver.tasks.map(({ command, input }) => [command, input.sourceMetadata?.repo])).toEqual([
      ['review', 'acme/app'],
    ]);
  },
);

const PAYLOAD = `payload=${encodeURIComponent(JSON.stringify(comment('@agent review')))}`;

test.each([
  ['its field twice', `${PAYLOAD}&payload=%7B%7D`],
  ['another field', `${PAYLOAD}&a=b`],
  ['its field twice under another spelling', `${PAYLOAD}&p%61yload=%7B%7D`],
  ['no payload', 'a=b'],
  ['thousands of fields', `${PAYLOAD}${'&'.repeat(2_000)}`],
])('a form of GitHub with %s is refused', async (_what, body) => {
  const receiver = await open();
  expect((await deliver(receiver.url, body, { headers: { 'content-type': FORM } })).status).toBe(400);
  expect(receiver.tasks).toEqual([]);
});

test('a signed form that is labelled as JSON is refused', async () => {
  const receiver = await open();
  expect((await deliver(receiver.url, PAYLOAD)).status).toBe(400);
  expect(receiver.tasks).toEqual([]);
});

function sendSlack({ url }: Receiver, body: string): Promise<Response> {
  return post(url, 'slack', { headers: { ...signSlack(body), 'content-type': FORM }, body });
}

test('signed JSON of Slack that holds a slash command is refused as a form', async () => {
  const receiver = await open();
  const body = JSON.stringify(slackMessage('&command=/agent&text=fix everything&trigger_id=1&'));
  expect((await sendSlack(receiver, body)).status).toBe(400);
  expect(receiver.tasks).toEqual([]);
});

test.each([
  ['two commands', 'command=/agent&text=review&command=/agent'],
  ['two texts', 'command=/agent&text=review&text=fix'],
  ['an interaction and a command', 'payload=%7B%22type%22%3A%22block_actions%22%7D&command=/agent&text=fix'],
  ['neither', 'text=review'],
])('a form of Slack with %s is refused', async (_what, body) => {
  const receiver = await open();
  expect((await sendSlack(receiver, `${body}&trigger_id=${randomUUID()}`)).status).toBe(400);
  expect(receiver.tasks).toEqual([]);
});

test('the bodies of GitHub show their event', () => {
  const spoken = new Set(['issues', 'pull_request', 'pull_request_review', 'issue_comment']);
  for (const event of ['pull_request_review_comment', 'commit_comment', 'discussion_comment'])
    spoken.add(event);
  const seen = new Set<string>();
  for (const { event, payload } of octokitExamples()) {
    const found = eventOf(payload);
    if (spoken.has(event)) expect(found, event).toBe(event);
    else expect(found, event).toBeUndefined();
    seen.add(event);
  }
  expect([...spoken].filter((event) => !seen.has(event))).toEqual([]);
});

const EDIT = {
  ...comment('@agent review again', { action: 'edited', changes: { body: { from: 'no command' } } }),
  issue: { id: 5, number: 42, body: '@agent fix', user: { login: 'jo' } },
  repository: { id: 1, full_name: 'acme/app' },
};

test.each([
  ['issues', EDIT],
  ['pull_request_review_comment', comment('@agent review')],
  ['commit_comment', comment('@agent review')],
  ['discussion_comment', comment('@agent review')],
])('a signed comment on an issue is refused as the event %s', async (event, payload) => {
  const receiver = await open();
  const id = randomUUID();
  expect((await deliver(receiver.url, payload, { event, id })).status).toBe(400);
  expect(receiver.tasks).toEqual([]);
  const line = await until(
    async () => (await readDeliveries(logDir)).find((one) => one.delivery_id === id),
    'the line',
  );
  expect(line).toMatchObject({ outcome: 'rejected', reason: 'event_mismatch' });
});

const HOME_MADE: CustomOptions = {
  secret: 's3cret-of-the-tests',
  header: 'X-Sig',
  message: 'text',
  deliveryIdHeader: 'X-Id',
};

function signed(body: string, more: Record<string, string> = {}): Record<string, string> {
  return { 'x-sig': createHmac('sha256', 's3cret-of-the-tests').update(body).digest('hex'), ...more };
}

const BODY = JSON.stringify({ text: '@agent review', place: 1 });

test('the same signed body under another id, or under none, is a duplicate with its reason', async () => {
  const receiver = await open({ 'home-made': HOME_MADE });
  const send = (body: string, id: string): Promise<Response> =>
    post(receiver.url, 'home-made', { headers: signed(body, id === '' ? {} : { 'x-id': id }), body });
  const first: string = randomUUID();
  const second: string = randomUUID();
  expect((await send(BODY, first)).status).toBe(202);
  const again = await send(BODY, second);
  expect(again.status).toBe(200);
  const answer: unknown = await again.json();
  expect(answer).toMatchObject({ status: 'duplicate', task_ids: [receiver.tasks[0]?.id] });
  const reason = String(Reflect.get(Object(answer), 'message'));
  expect(reason).toMatch(
    /^the same signed body was taken at \d{4}-\d\d-\d\dT[\d:.]+Z, with the id [\w-]+: within four days it starts nothing again$/,
  );
  expect(reason).toContain(first);
  expect((await send(BODY, '')).status).toBe(200);
  expect((await send(BODY, first)).status).toBe(200);
  expect(receiver.tasks).toHaveLength(1);
  // Other bytes are another delivery, although they say the same.
  expect((await send(`${BODY} `, randomUUID())).status).toBe(202);
  const lines = await until(async () => {
    const found = (await readDeliveries(logDir)).filter(({ delivery_id: id }) =>
      [first, second].includes(String(id)),
    );
    return found.length === 3 && found;
  }, 'the lines');
  expect(lines.map(({ outcome, reason }) => [outcome, reason ?? null])).toEqual([
    ['accepted', null],
    ['duplicate', reason],
    ['duplicate', 'this delivery was taken before'],
  ]);
});

test('at the same time, the same signed body under many ids starts one task', async () => {
  const receiver = await open({ 'home-made': HOME_MADE });
  const body = JSON.stringify({ text: '@agent review', place: 'all at once' });
  const answers = await Promise.all(
    Array.from({ length: 10 }, () =>
      post(receiver.url, 'home-made', { headers: signed(body, { 'x-id': randomUUID() }), body }),
    ),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 202]);
  expect(receiver.tasks).toHaveLength(1);
});

test('a sender without ids may ask for the same again', async () => {
  const receiver = await open({ plain: { ...HOME_MADE, deliveryIdHeader: undefined } });
  for (const _ of [1, 2]) {
    expect((await post(receiver.url, 'plain', { headers: signed(BODY), body: BODY })).status).toBe(202);
  }
});

test('a sender with a token signs nothing: its ids alone decide', async () => {
  const receiver = await open({ bearer: { ...HOME_MADE, algorithm: 'token' } });
  for (const id of ['1', '2']) {
    const headers = { 'x-sig': 's3cret-of-the-tests', 'x-id': id };
    expect((await post(receiver.url, 'bearer', { headers, body: BODY })).status).toBe(202);
  }
});

test('where the time is signed, the same body at another time is another delivery', async () => {
  const receiver = await open({
    timed: { ...HOME_MADE, signed: '{timestamp}.{body}', timestampHeader: 'X-Time' },
  });
  const send = (seconds: number, id: string): Promise<Response> => {
    const signature = createHmac('sha256', 's3cret-of-the-tests').update(`${seconds}.${BODY}`).digest('hex');
    const headers = { 'x-sig': signature, 'x-time': String(seconds), 'x-id': id };
    return post(receiver.url, 'timed', { headers, body: BODY });
  };
  const now = Math.floor(Date.now() / 1_000);
  expect((await send(now, '1')).status).toBe(202);
  expect((await send(now, '2')).status).toBe(200);
  expect((await send(now - 1, '3')).status).toBe(202);
});

test('where only some fields are signed, these fields are the id: another text with them starts nothing', async () => {
  const receiver = await open({
    partial: {
      ...HOME_MADE,
      header: undefined,
      signature: 'signature',
      signed: '{timestamp}{body:token}',
      timestamp: 'time',
      deliveryIdHeader: undefined,
      deliveryId: 'message_id',
      identity: 'message_id',
    },
  });
  const time = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac('sha256', 's3cret-of-the-tests').update(`${time}abc`).digest('hex');
  const send = (text: string, messageId: string): Promise<Response> =>
    post(receiver.url, 'partial', {
      headers: {},
      body: JSON.stringify({ text, message_id: messageId, time, token: 'abc', signature }),
    });
  expect((await send('@agent review', '1')).status).toBe(202);
  expect((await send('@agent review delete everything', '2')).status).toBe(200);
  expect(receiver.tasks).toHaveLength(1);
});

test('a restart does not forget the signed bodies', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-unsigned-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await trail.shutdown();
  const body = JSON.stringify({ text: '@agent review', place: 'a restart' });
  const statuses: number[] = [];
  for (const id of ['1', '2']) {
    trail = await openTrail(dir);
    const handler = receiveWebhooks({
      custom: { 'home-made': HOME_MADE },
      onTask: (task) => task.enqueue({ queue: 'agent', system: 'in_process' }, async () => {}),
    });
    const { url, close } = await listen((req, res) => handler(req, res));
    const response = await fetch(`${url}/home-made`, {
      method: 'POST',
      headers: signed(body, { 'x-id': id }),
      body,
    });
    statuses.push(response.status);
    await close();
    handler.close();
    await trail.shutdown();
  }
  trail = await openTrail(logDir);
  expect(statuses).toEqual([202, 200]);
});
