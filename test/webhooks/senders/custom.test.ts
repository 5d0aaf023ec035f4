import { createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Trail } from '../../../src/trail/trail.ts';
import { type ReceiveWebhooksOptions, receiveWebhooks } from '../../../src/webhooks/receive-webhooks.ts';
import type { CustomOptions } from '../../../src/webhooks/senders/custom.ts';
import { openReceiver, openTrail, readDeliveries } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { post } from '../../support/vendors.ts';

let logDir: string;
let trail: Trail;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-custom-'));
  trail = await openTrail(logDir);
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

const BASE: CustomOptions = {
  secret: 's3cret-of-the-tests',
  header: 'X-Sig',
  message: 'text',
  deliveryId: 'id',
};

interface Sent {
  readonly status: number;
  readonly tasks: readonly Record<string, unknown>[];
  readonly line: Record<string, unknown>;
}

/** Sends one delivery to a new receiver. */
async function send(
  options: Partial<CustomOptions>,
  payload: object,
  headers?: Record<string, string>,
): Promise<Sent> {
  const receiver = await openReceiver({ custom: { tracker: { ...BASE, ...options } } });
  const marker = randomUUID();
  const body = JSON.stringify({ id: marker, ...payload });
  const signature = createHmac('sha256', 's3cret-of-the-tests').update(body).digest('hex');
  const { status } = await post(receiver.url, 'tracker', {
    headers: headers ?? { 'x-sig': signature },
    body,
  });
  await receiver.close();
  const line = await until(
    async () => (await readDeliveries(logDir)).find((one) => one.delivery_id === marker || status === 401),
    'the line',
  );
  return { status, tasks: receiver.tasks.map(({ input }) => ({ ...input.sourceMetadata })), line };
}

test.each([
  [undefined, '> quoted\n\n**@agent review**', 202],
  [undefined, '<pre>@agent review</pre>', 200],
  ['html', '<pre>@agent review</pre>', 200],
  ['html', '<b>@agent</b> review', 202],
  ['text', '<pre>@agent review </pre>', 202],
  ['jira', '{code}@agent review{code}', 200],
  ['jira', '{color:red}@agent review{color}', 202],
  ['slack', '```a\nb```\n@agent review', 202],
] as const)('the text is read as its markup says: %s, %j', async (markup, text, status) => {
  expect((await send({ markup }, { text })).status).toBe(status);
});

test.each([
  ['sha1', 'hex', ''],
  ['sha256', 'hex', 'sha256='],
  ['sha256', 'base64', ''],
  ['sha512', 'hex', ''],
  ['sha512', 'base64', 'v1,'],
] as const)('%s in %s behind %j is verified over the raw bytes', async (algorithm, encoding, prefix) => {
  const receiver = await openReceiver({ custom: { tracker: { ...BASE, algorithm, encoding, prefix } } });
  const body = ' { "text" : "@agent review" } ';
  const signature = createHmac(algorithm, 's3cret-of-the-tests').update(body).digest(encoding);
  const send = async (value: string): Promise<number> =>
    (await post(receiver.url, 'tracker', { headers: { 'x-sig': value }, body })).status;
  expect(await send(prefix + signature)).toBe(202);
  const other = createHmac(algorithm, 'other').update(body).digest(encoding);
  expect(await send(prefix + other)).toBe(401);
  await receiver.close();
});

test.each([
  ['the token', 'Bearer s3cret-of-the-tests', 202],
  ['another token', 'Bearer s3creT', 401],
  ['a longer one', 'Bearer s3cret-of-the-testsx', 401],
  ['nothing after the prefix', 'Bearer ', 401],
])('with a token in its header, %s is answered with its status', async (_what, authorization, status) => {
  const sent = await send(
    { header: 'Authorization', algorithm: 'token', prefix: 'Bearer ' },
    { text: '@agent fix' },
    { authorization },
  );
  expect(sent.status).toBe(status);
});

test('paths lead through names and lists, and a missing value is null', async () => {
  const { status, tasks } = await send(
    {
      message: 'changes.1.note',
      eventType: 'kind',
      sourceMetadata: {
        repo: 'project.name',
        build: 'build.n',
        ok: 'ok',
        absent: 'a.b',
        list: 'changes',
        inherited: 'constructor.name',
      },
    },
    {
      changes: [{}, { note: '@agent fix' }],
      kind: 'push',
      project: { name: 'app' },
      build: { n: 7 },
      ok: true,
    },
  );
  expect(status).toBe(202);
  expect(tasks).toMatchObject([
    {
      event_type: 'push',
      repo: 'app',
      build: 7,
      ok: true,
      absent: null,
      list: null,
      inherited: null,
      command: 'fix',
    },
  ]);
});

test.each([
  ['is missing', {}],
  ['is not a string', { issue: { fields: [{ text: 7 }] } }],
  ['leads through a string', { issue: 'text' }],
  ['leads through null', { issue: null }],
])('a path to the message that %s matches nothing, and the reason names it', async (_what, payload) => {
  const { status, tasks, line } = await send({ message: 'issue.fields.0.text' }, payload);
  expect(status).toBe(200);
  expect(tasks).toEqual([]);
  expect(line).toMatchObject({
    outcome: 'unmatched',
    reason: expect.stringContaining('issue.fields.0.text'),
  });
});

test('a fixed command starts with any text', async () => {
  const { tasks } = await send({ command: 'plan' }, { text: 'Deploy failed' });
  expect(tasks).toMatchObject([{ command: 'plan', event_type: 'webhook' }]);
});

test('type and id may be in headers, and a missing type is null', async () => {
  const receiver = await openReceiver({
    custom: {
      tracker: { ...BASE, deliveryId: undefined, deliveryIdHeader: 'X-Id', eventTypeHeader: 'X-Event' },
    },
  });
  const send = (place: number, headers: Record<string, string>): Promise<Response> => {
    const body = JSON.stringify({ text: '@agent review', place });
    const signature = { 'x-sig': createHmac('sha256', 's3cret-of-the-tests').update(body).digest('hex') };
    return post(receiver.url, 'tracker', { headers: { ...signature, ...headers }, body });
  };
  const long = randomUUID().repeat(10);
  const headers = { 'x-event': 'note', 'x-id': `${long}1` };
  expect((await send(1, headers)).status).toBe(202);
  expect((await send(2, headers)).status).toBe(200);
  // Ids that differ only at their end are different.
  expect((await send(3, { ...headers, 'x-id': `${long}2` })).status).toBe(202);
  // Without an id, other bodies are other deliveries.
  expect((await send(4, {})).status).toBe(202);
  expect((await send(5, {})).status).toBe(202);
  expect(receiver.tasks.map(({ input }) => input.sourceMetadata?.event_type)).toEqual([
    'note',
    'note',
    null,
    null,
  ]);
  await receiver.close();
});

test.each([
  ['a name that is used already', { github: BASE }],
  ['a name that is used already, in another case', { Slack: BASE }],
  ['two names that differ in case', { a: BASE, A: BASE }],
  ['a name with a slash', { '../x': BASE }],
  ['a path with an empty name', { a: { ...BASE, message: 'a..b' } }],
  ['an empty header', { a: { ...BASE, header: '' } }],
  ['a secret that is a number', { a: { ...BASE, secret: 7 as unknown as string } }],
  ['a field that every task has', { a: { ...BASE, sourceMetadata: { provider: 'x' } } }],
  ['an unknown command', { a: { ...BASE, command: 'dance' } }],
])('%s is a TypeError', async (_what, custom) => {
  await expect(openReceiver({ custom })).rejects.toThrow(TypeError);
});

test.each<[what: string, options: Partial<ReceiveWebhooksOptions>, problem: string]>([
  ['a short secret', { github: { secret: 'a' } }, 'github.secret: use at least 16 characters'],
  [
    'a short one beside a long one',
    { jira: { secret: ['a secret of the tests', 'k'] } },
    'jira.secret: secret 2 of 2: use at least 16 characters',
  ],
  [
    'blanks at the ends',
    { slack: { secret: ' a secret of the tests' } },
    'slack.secret: remove the blanks at its ends',
  ],
  ['one repeated character', { github: { secret: 'k'.repeat(20) } }, 'github.secret: use a random text'],
  [
    'a short secret of another sender',
    { custom: { ci: { ...BASE, secret: 'short' } } },
    'custom.ci.secret: use at least 16 characters',
  ],
  [
    'a short key in base64',
    {
      custom: {
        ci: { preset: 'standard-webhooks', secret: `whsec_${Buffer.alloc(15, 'k1').toString('base64')}` },
      },
    },
    'custom.ci.secret: one of its keys has 15 bytes when it is decoded: use at least 16',
  ],
])('%s is a TypeError, as at the start of the service', (_what, options, problem) => {
  const make = (): unknown => receiveWebhooks({ ...options, onTask: async () => undefined });
  expect(make).toThrow(new TypeError(problem));
});
