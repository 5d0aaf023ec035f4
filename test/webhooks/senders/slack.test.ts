import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Trail } from '../../../src/trail/trail.ts';
import { openReceiver, openTrail, type Receiver, readDeliveries } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { post, signSlack, slackMessage, VENDOR } from '../../support/vendors.ts';

let logDir: string;
let trail: Trail;
let receiver: Receiver;
const NOW = 1_700_000_000_500;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-slack-'));
  trail = await openTrail(logDir);
  receiver = await openReceiver({ ...VENDOR.slack.options, now: () => NOW });
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

function send(payload: object | string, seconds: number | string = 1_700_000_000): Promise<Response> {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return post(receiver.url, 'slack', { headers: signSlack(body, { seconds }), body });
}

function sendForm(
  fields: Readonly<Record<string, string>>,
  seconds: number = 1_700_000_000,
): Promise<Response> {
  const body = new URLSearchParams(fields).toString();
  const headers = {
    ...signSlack(body, { seconds }),
    'content-type': 'application/x-www-form-urlencoded',
  };
  return post(receiver.url, 'slack', { headers, body });
}

async function lineOf(id: string): Promise<Record<string, unknown>> {
  return until(async () => (await readDeliveries(logDir)).find((line) => line.delivery_id === id), id);
}

test.each([
  ['now', 0, 202],
  ['300 s old', -300, 202],
  ['300 s ahead', 300, 202],
  ['301 s old', -301, 401],
  ['301 s ahead', 301, 401],
  ['a day old', -86_400, 401],
])('a signature that is %s', async (_what, seconds, status) => {
  expect((await send(slackMessage('@agent review'), 1_700_000_000 + seconds)).status).toBe(status);
});

test.each(['', 'now', '1.7e9', '-1', '1700000000.5', '17000000000000', '1700000000, 1700000000'])(
  'the timestamp %j is refused, signed or not',
  async (seconds) => {
    expect((await send(slackMessage('@agent review'), seconds)).status).toBe(401);
  },
);

test('the line of a stale request has the reason', async () => {
  await send(slackMessage('@agent review'), 1_600_000_000);
  const line = await until(
    async () => (await readDeliveries(logDir)).find(({ reason }) => reason === 'stale_timestamp'),
    'the line',
  );
  expect(line).toMatchObject({ provider: 'slack', outcome: 'rejected', delivery_id: null });
});

test('only an authentic challenge is answered', async () => {
  const challenge = {
    type: 'url_verification',
    token: 't',
    challenge: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7',
  };
  const response = await send(challenge);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ challenge: challenge.challenge });
  const forged = await post(receiver.url, 'slack', {
    headers: signSlack(JSON.stringify(challenge), { key: 'wrong', seconds: 1_700_000_000 }),
    body: JSON.stringify(challenge),
  });
  expect(forged.status).toBe(401);
  expect(await forged.text()).not.toContain(challenge.challenge);
  expect((await send({ type: 'url_verification', challenge: 7 })).status).toBe(400);
});

test.each([
  ['a mention of the app', '<@U0LAN0Z89> review this', {}],
  ['a mention with its name', '<@U0LAN0Z89|agent>: review', {}],
  ['the trigger as text', 'please @agent review', {}],
  ['a mention in a message', 'please <@U0LAN0Z89> review', { type: 'message', channel_type: 'channel' }],
  ['a message with a file', '@agent review', { type: 'message', subtype: 'file_share' }],
])('%s starts a task with the text as it was written', async (_what, text, event) => {
  const response = await send(slackMessage(text, {}, event));
  expect(response.status).toBe(202);
  expect(receiver.tasks.at(-1)).toMatchObject({ command: 'review', message: text });
});

test("a mention counts when the event does not name the app's user", async () => {
  const response = await send(slackMessage('<@U0LAN0Z89> review', { authorizations: undefined }));
  expect(response.status).toBe(202);
});

const FOREIGN = { authorizations: [{ team_id: 'T2', user_id: 'U0FOREIGN', is_bot: true }] };

test.each([
  ['names the app of another workspace', FOREIGN, '<@U0BOTA> review', {}],
  ['names none', { authorizations: [] }, '<@U0BOTA> review', {}],
  ['names a person', { authorizations: [{ user_id: 'U1', is_bot: false }] }, '<@U0BOTA> review', {}],
  ['names the app of another workspace, behind another mention', FOREIGN, 'with <@U1>: <@U0BOTA> review', {}],
])('Slack says app_mention, so the mention is ours when the event %s', async (_what, more, text, event) => {
  const response = await send(slackMessage(text, more, event));
  expect(response.status).toBe(202);
  expect(receiver.tasks.at(-1)).toMatchObject({ command: 'review', message: text });
});

test.each([
  ['a message of any kind', { type: 'message', text: '<@U0BOTA> review' }, FOREIGN],
  ['a mention of another user beside ours', { text: '<@U0LAN0Z89> hi, <@U0OTHER> review' }, {}],
  [
    'blocks with code',
    {
      text: '<@U0LAN0Z89> review',
      blocks: [
        {
          type: 'rich_text',
          elements: [
            {
              type: 'rich_text_preformatted',
              elements: [
                { type: 'user', user_id: 'U0LAN0Z89' },
                { type: 'text', text: ' review' },
              ],
            },
          ],
        },
      ],
    },
    {},
  ],
])('%s starts nothing', async (_what, event, more) => {
  const before = receiver.tasks.length;
  expect((await send(slackMessage('', more, event))).status).toBe(200);
  expect(receiver.tasks.length).toBe(before);
});

test('blocks of a kind that is unknown are left for the text', async () => {
  const blocks = [{ type: 'rich_text', elements: [] }, { type: 'hologram' }];
  expect((await send(slackMessage('<@U0LAN0Z89> review', {}, { blocks }))).status).toBe(202);
});

test("Slack's escapes are read as they were typed", async () => {
  await send(slackMessage('@agent review a &lt; b &amp;&amp; c &gt; d &amp;lt;'));
  expect(receiver.tasks.at(-1)?.message).toBe('@agent review a < b && c > d &lt;');
});

test.each([
  ['a bot', { bot_id: 'B1' }],
  ['a bot message', { type: 'message', subtype: 'bot_message' }],
  ['an edit', { type: 'message', subtype: 'message_changed' }],
  ['a join', { type: 'message', subtype: 'channel_join' }],
  ['a reaction', { type: 'reaction_added' }],
  ['the name of a property of every object', { type: 'constructor' }],
  ['no text', { text: null }],
  ['a quotation', { text: '&gt; @agent review' }],
  ['code', { text: '```@agent review```' }],
  ['a mention of another user', { type: 'message', text: '<@U0OTHER> review' }],
])('an event of %s starts nothing', async (_what, event) => {
  const before = receiver.tasks.length;
  const id = `Ev${randomUUID()}`;
  const response = await send(slackMessage('@agent review', { event_id: id }, event));
  expect(response.status).toBe(200);
  expect(receiver.tasks.length).toBe(before);
  expect(await lineOf(id)).toMatchObject({ outcome: 'unmatched', reason: expect.stringMatching(/.+/) });
});

test('a mention that is sent as a message and as a mention starts one task', async () => {
  const before = receiver.tasks.length;
  const same = { ts: '1700000000.000100', text: '<@U0LAN0Z89> review' };
  const answers = await Promise.all([
    send(slackMessage('', {}, { ...same, type: 'message' })),
    send(slackMessage('', {}, { ...same, type: 'app_mention' })),
  ]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 202]);
  expect(receiver.tasks.length).toBe(before + 1);
});

test('a retry of an event that never arrived starts its task, and is recorded as a retry', async () => {
  const id = `Ev${randomUUID()}`;
  const body = JSON.stringify(slackMessage('@agent review', { event_id: id }));
  const headers = {
    ...signSlack(body, { seconds: 1_700_000_000 }),
    'x-slack-retry-num': '1',
    'x-slack-retry-reason': 'http_timeout',
  };
  expect((await post(receiver.url, 'slack', { headers, body })).status).toBe(202);
  const { stages } = (await lineOf(id)) as { stages: object[] };
  expect(stages[0]).toMatchObject({
    stage: 'received',
    channel: 'C0LAN2Q65',
    retry_num: '1',
    retry_reason: 'http_timeout',
  });
});

const SLASH = {
  token: 't',
  team_id: 'T0001',
  channel_id: 'C2147483705',
  channel_name: 'general',
  user_id: 'U2147483697',
  user_name: 'jo',
  command: '/agent',
  response_url: 'https://hooks.slack.com/commands/1234/5678',
};

test('a slash command starts a task, and the answer has a text', async () => {
  const trigger_id = randomUUID();
  const response = await sendForm({ ...SLASH, text: 'review this & that', trigger_id });
  expect(response.status).toBe(200);
  const task = receiver.tasks.at(-1);
  expect(await response.json()).toEqual({
    response_type: 'ephemeral',
    text: 'Started: review',
    status: 'accepted',
    task_ids: [task?.id],
  });
  expect(task).toMatchObject({
    message: '/agent review this & that',
    command: 'review',
    deliveryId: trigger_id,
  });
  expect(task?.input.sourceMetadata).toMatchObject({
    channel: 'C2147483705',
    user: 'U2147483697',
    event_type: 'slash_command',
  });
  const again = await sendForm({ ...SLASH, text: 'review this & that', trigger_id });
  expect(await again.json()).toMatchObject({ status: 'duplicate', task_ids: [task?.id] });
});

test('a slash command without an id starts once while its signed time is the same', async () => {
  const fields = { ...SLASH, text: 'review', channel_id: randomUUID() };
  const first = await sendForm(fields);
  expect(await first.json()).toMatchObject({ status: 'accepted' });
  const task = receiver.tasks.at(-1);
  const again = await sendForm(fields);
  expect(await again.json()).toMatchObject({ status: 'duplicate', task_ids: [task?.id] });
  const later = await sendForm(fields, 1_700_000_001);
  expect(await later.json()).toMatchObject({ status: 'accepted' });
});

test('the answer to an unknown slash command names the known ones', async () => {
  const response = await sendForm({ ...SLASH, text: 'dance', trigger_id: randomUUID() });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    text: expect.stringContaining('known: review, fix, plan, help'),
  });
});

test.each([
  ['an interaction', { payload: '{"type": "block_actions", "trigger_id": "1.2"}' }, 200],
  ['a check of the certificate', { ssl_check: '1', token: 't' }, 200],
  ['another form', { a: '1' }, 400],
  ['an interaction that is not JSON', { payload: '{' }, 400],
  ['prototype keys', { __proto__: '1', constructor: '2', command: '/agent', text: '' }, 200],
])('%s is answered', async (_what, fields, status) => {
  const before = receiver.tasks.length;
  expect((await sendForm(fields as Record<string, string>)).status).toBe(status);
  expect(receiver.tasks.length).toBe(before);
});
