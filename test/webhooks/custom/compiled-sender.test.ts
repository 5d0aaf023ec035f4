import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Trail } from '../../../src/trail/trail.ts';
import type { CustomOptions } from '../../../src/webhooks/senders/custom.ts';
import { eventGridEvent } from '../../support/preset-vendors.ts';
import { openReceiver, openTrail, type Receiver, readDeliveries } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

let logDir: string;
let trail: Trail;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-senders-'));
  trail = await openTrail(logDir);
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

const NOW = 1_700_000_000;
const SECRET = 'a shared secret of tests';

async function open(options: Partial<CustomOptions>): Promise<Receiver> {
  const custom = { tracker: { secret: SECRET, header: 'X-Sig', message: 'text', ...options } };
  const receiver = await openReceiver({ custom, now: () => NOW * 1_000 });
  onTestFinished(() => receiver.close());
  return receiver;
}

interface Sent {
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly query?: string;
  readonly method?: string;
}

async function send(
  receiver: Receiver,
  { body, headers, query = '', method = 'POST' }: Sent,
): Promise<Response> {
  return fetch(`${receiver.url}/webhooks/tracker${query}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body }),
  });
}

const BODY = JSON.stringify({ text: '@agent review' });

function hmac(text: string, key: string | Buffer = SECRET): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

describe('signed parts', () => {
  test.each<[what: string, options: Partial<CustomOptions>, sent: Sent]>([
    [
      'a method, an address, a header and the body',
      { signed: 'POST {url}\n{header:date}\n{body}', url: 'https://acme.test/hook' },
      {
        headers: {
          date: 'today',
          'x-sig': hmac(`POST https://acme.test/hook\ntoday\n${BODY}`).toString('hex'),
        },
      },
    ],
    [
      'the delivery id and the time',
      { signed: '{id}|{timestamp}|{body}', deliveryIdHeader: 'X-Id', timestampHeader: 'X-Time' },
      { headers: { 'x-id': 'd1', 'x-time': `${NOW}`, 'x-sig': hmac(`d1|${NOW}|${BODY}`).toString('hex') } },
    ],
    [
      'a time in milliseconds',
      { signed: '{timestamp}{body}', timestampHeader: 'X-Time' },
      { headers: { 'x-time': `${NOW}999`, 'x-sig': hmac(`${NOW}999${BODY}`).toString('hex') } },
    ],
    [
      'a time in ISO 8601',
      { signed: '{timestamp}{body}', timestampHeader: 'X-Time' },
      {
        headers: {
          'x-time': '2023-11-14T22:13:20+00:00',
          'x-sig': hmac(`2023-11-14T22:13:20+00:00${BODY}`).toString('hex'),
        },
      },
    ],
    [
      'a key in hex',
      { secret: Buffer.from(SECRET).toString('hex'), secretEncoding: 'hex' },
      { headers: { 'x-sig': hmac(BODY).toString('hex') } },
    ],
    [
      'a key in base64 behind whsec_',
      {
        secret: `whsec_${Buffer.from(SECRET).toString('base64')}`,
        secretEncoding: 'base64',
        encoding: 'base64',
      },
      { headers: { 'x-sig': hmac(BODY).toString('base64') } },
    ],
  ])('%s are verified', async (_what, options, sent) => {
    const receiver = await open(options);
    expect((await send(receiver, { body: BODY, ...sent })).status).toBe(202);
    const headers = { ...sent.headers, 'x-sig': hmac('other').toString(options.encoding ?? 'hex') };
    expect((await send(receiver, { body: BODY, headers })).status).toBe(401);
  });

  test('a value that holds the text behind it is refused: bytes could move to the next part', async () => {
    const receiver = await open({ signed: '{header:x-id}.{header:x-tag}.{body}' });
    const signature = hmac(`a.b.c.${BODY}`).toString('hex');
    const post = async (id: string, tag: string): Promise<number> =>
      (await send(receiver, { body: BODY, headers: { 'x-id': id, 'x-tag': tag, 'x-sig': signature } }))
        .status;
    expect(await post('a.b', 'c')).toBe(401);
    expect(await post('a', 'b.c')).toBe(401);
  });

  test('two times beside the signatures are refused, also when one of them is signed', async () => {
    const receiver = await open({
      separator: ',',
      prefix: 'v1=',
      timestampPrefix: 't=',
      signed: '{timestamp}.{body}',
    });
    const entry = `v1=${hmac(`${NOW}.${BODY}`).toString('hex')}`;
    const post = async (value: string): Promise<number> =>
      (await send(receiver, { body: BODY, headers: { 'x-sig': value } })).status;
    expect(await post(`t=${NOW},${entry}`)).toBe(202);
    expect(await post(`t=${NOW},t=${NOW + 1},${entry}`)).toBe(401);
    expect(await post(`t=soon,${entry}`)).toBe(401);
    expect(await post(entry)).toBe(401);
  });

  test('more than eight signatures are refused', async () => {
    const receiver = await open({ separator: ',', prefix: 'v1=' });
    const right = `v1=${hmac(BODY).toString('hex')}`;
    const others = (count: number): string[] => Array.from({ length: count }, () => `v1=${'0'.repeat(64)}`);
    const post = async (list: string[]): Promise<number> =>
      (await send(receiver, { body: BODY, headers: { 'x-sig': list.join(', ') } })).status;
    expect(await post([...others(7), right])).toBe(202);
    expect(await post([...others(9), right])).toBe(401);
  });
});

describe('tokens', () => {
  test.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])(
    'Authorization: %s is accepted in any case',
    async (scheme) => {
      const receiver = await open({ header: 'Authorization', algorithm: 'token', prefix: 'Bearer ' });
      expect(
        (await send(receiver, { body: BODY, headers: { authorization: `${scheme}  ${SECRET}` } })).status,
      ).toBe(202);
      expect(
        (await send(receiver, { body: BODY, headers: { authorization: `${scheme} other` } })).status,
      ).toBe(401);
      expect(
        (await send(receiver, { body: BODY, headers: { authorization: `${scheme}${SECRET}` } })).status,
      ).toBe(401);
    },
  );

  test.each([
    ['the secret as password', `anyone:${SECRET}`, 202],
    ['no user name', `:${SECRET}`, 202],
    ['another password', 'anyone:other', 401],
    ['no colon', SECRET, 401],
  ])('HTTP Basic with %s is answered with its status', async (_what, credentials, status) => {
    const receiver = await open({ header: 'Authorization', algorithm: 'basic' });
    const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
    expect((await send(receiver, { body: BODY, headers: { authorization } })).status).toBe(status);
  });

  test('a token in the address is not stored', async () => {
    const receiver = await open({ header: undefined, query: 'key', algorithm: 'token', deliveryId: 'id' });
    const id = randomUUID();
    const body = JSON.stringify({ id, text: '@agent review' });
    expect((await send(receiver, { body, query: `?key=${encodeURIComponent(SECRET)}` })).status).toBe(202);
    const line = await until(
      async () => (await readDeliveries(logDir)).find(({ delivery_id }) => delivery_id === id),
      'the line',
    );
    expect(JSON.stringify(line)).not.toContain('shared');
  });
});

describe('Ed25519', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);

  test.each([
    ['hex', raw.toString('hex')],
    ['base64', raw.toString('base64')],
    ['base64 behind whpk_', `whpk_${raw.toString('base64')}`],
    ['PEM', publicKey.export({ format: 'pem', type: 'spki' }).toString()],
  ])('a public key in %s verifies the signature', async (_what, secret) => {
    const receiver = await open({
      algorithm: 'ed25519',
      encoding: 'base64',
      secret: [SECRET, secret].slice(1),
    });
    const signature = sign(null, Buffer.from(BODY), privateKey).toString('base64');
    expect((await send(receiver, { body: BODY, headers: { 'x-sig': signature } })).status).toBe(202);
    expect((await send(receiver, { body: `${BODY} `, headers: { 'x-sig': signature } })).status).toBe(401);
  });

  test('Standard Webhooks with a public key: the entry v1a of the list counts', async () => {
    const receiver = await open({
      preset: 'standard-webhooks',
      header: undefined,
      message: 'text',
      secret: `whpk_${raw.toString('base64')}`,
    });
    const signature = sign(null, Buffer.from(`msg_1.${NOW}.${BODY}`), privateKey).toString('base64');
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': `${NOW}` };
    const both = `v1,${hmac(BODY).toString('base64')} v1a,${signature}`;
    expect(
      (await send(receiver, { body: BODY, headers: { ...headers, 'webhook-signature': both } })).status,
    ).toBe(202);
    const only = `v1,${signature}`;
    expect(
      (await send(receiver, { body: BODY, headers: { ...headers, 'webhook-signature': only } })).status,
    ).toBe(401);
  });
});

/** Sends a signed body, and returns the status, the answer and the commands that started. */
async function say(
  receiver: Receiver,
  payload: unknown,
  more: Sent = {},
): Promise<{ status: number; answer: Record<string, unknown>; started: (string | undefined)[] }> {
  const before = receiver.tasks.length;
  const body = JSON.stringify(payload);
  const headers = { 'x-sig': hmac(body).toString('hex'), ...more.headers };
  const response = await send(receiver, { body, ...more, headers });
  const answer = (await response.json()) as Record<string, unknown>;
  return {
    status: response.status,
    answer,
    started: receiver.tasks.slice(before).map(({ command }) => command),
  };
}

describe('only and ignore', () => {
  const FIELDS: Partial<CustomOptions> = {
    eventType: 'kind',
    action: 'action',
    author: ['user.login', 'user.name'],
    only: { event: ['note'], action: ['create', ''] },
    ignore: { author: ['ci-*-bot', 'Deploy'], 'note.system': [true] },
  };
  const NOTE = { kind: 'note', action: 'create', user: { login: 'jo' }, text: '@agent review' };

  test.each<[what: string, change: object, reason: RegExp | undefined]>([
    ['a note', {}, undefined],
    ['a note without an action', { action: undefined }, undefined],
    ['another case', { kind: 'NOTE', action: 'Create' }, undefined],
    ['an edit', { action: 'update' }, /action "update" starts nothing; only create, none does/],
    ['another event', { kind: 'push' }, /event "push"/],
    ['no event', { kind: undefined }, /there is no event type; only note counts/],
    ['an ignored author', { user: { login: 'ci-app-bot' } }, /author "ci-app-bot" is ignored/],
    ['an ignored author in another case', { user: { name: 'dePLOY' } }, /author "dePLOY" is ignored/],
    ['an author that only begins like an ignored one', { user: { login: 'ci-app-bot-2' } }, undefined],
    ['an ignored value at a path', { note: { system: true } }, /note\.system "true" is ignored/],
    [
      'an ignored author with a control character',
      { user: { login: 'ci-\u001b[31m-bot' } },
      /author "ci-\[31m-bot"/,
    ],
  ])('%s', async (_what, change, reason) => {
    const receiver = await open(FIELDS);
    const { status, answer, started } = await say(receiver, { ...NOTE, ...change });
    expect(started).toEqual(reason === undefined ? ['review'] : []);
    expect(status).toBe(reason === undefined ? 202 : 200);
    if (reason !== undefined) expect(answer.message).toMatch(reason);
  });

  test.each([[true], ['Bot'], ['app']])('a bot that is marked by %j starts nothing', async (mark) => {
    const receiver = await open({ bot: 'user.kind' });
    expect((await say(receiver, { text: '@agent review', user: { kind: mark } })).started).toEqual([]);
    expect((await say(receiver, { text: '@agent review', user: { kind: 'user' } })).started).toEqual([
      'review',
    ]);
    expect((await say(receiver, { text: '@agent review' })).started).toEqual(['review']);
  });

  test('a filter beside a preset replaces the values of its field, and leaves the others', async () => {
    const receiver = await open({
      preset: 'gitlab',
      header: undefined,
      message: undefined,
      only: { event: ['note.*'] },
      ignore: { author: ['jo'] },
    });
    const note = (action: string, login: string, more: object = {}): Sent => ({
      headers: { 'x-gitlab-token': SECRET },
      body: JSON.stringify({
        object_kind: 'note',
        user: { username: login },
        object_attributes: { id: Math.random(), note: '@agent review', action, ...more },
      }),
    });
    expect((await send(receiver, note('update', 'kim'))).status).toBe(202);
    expect((await send(receiver, note('create', 'jo'))).status).toBe(200);
    expect((await send(receiver, note('create', 'kim', { system: true }))).status).toBe(200);
  });

  test('the pattern of a value takes linear time', async () => {
    const receiver = await open({ author: 'user', ignore: { author: ['*a*a*a*a*a*a*a*a*b'] } });
    const { started } = await say(receiver, { text: '@agent review', user: 'a'.repeat(1_000_000) });
    expect(started).toEqual(['review']);
  });
});

test('one comment in two deliveries starts its command once', async () => {
  const receiver = await open({ identity: ['project', 'note.id'], deliveryId: 'id' });
  const body = { project: 'app', note: { id: 7 }, text: '@agent review' };
  expect((await say(receiver, { ...body, id: 'one' })).started).toEqual(['review']);
  expect(await say(receiver, { ...body, id: 'two' })).toMatchObject({
    started: [],
    answer: { status: 'duplicate' },
  });
  expect((await say(receiver, { ...body, id: 'three', project: 'web' })).started).toEqual(['review']);
});

describe('bodies', () => {
  test('the events of a list share the id in a header, and each starts its command once', async () => {
    const receiver = await open({ events: 'items', deliveryIdHeader: 'X-Id', identity: 'id' });
    const body = { items: [1, 2].map((n) => ({ id: `${randomUUID()}-${n}`, text: '@agent review' })) };
    const headers = { headers: { 'x-id': randomUUID() } };
    const first = await say(receiver, body, headers);
    expect([first.status, first.started]).toEqual([202, ['review', 'review']]);
    expect(new Set(first.answer.task_ids as string[]).size).toBe(2);
    const again = await say(receiver, body, headers);
    expect([again.status, again.started]).toEqual([200, []]);
  });

  test('each event of a list starts its command, and the delivery is one line', async () => {
    const receiver = await open({ events: 'items', deliveryId: 'id', eventType: 'kind' });
    const first = randomUUID();
    const items = [
      { id: first, kind: 'a', text: 'nothing to do' },
      { id: randomUUID(), kind: 'b', text: '@agent review' },
      { id: randomUUID(), kind: 'c', text: '@agent fix' },
    ];
    const { status, answer, started } = await say(receiver, { items });
    expect([status, started]).toEqual([202, ['review', 'fix']]);
    expect(answer.task_ids).toHaveLength(2);
    expect(receiver.tasks.map(({ deliveryId }) => deliveryId)).toEqual([items[1]?.id, items[2]?.id]);
    const line = await until(
      async () => (await readDeliveries(logDir)).find(({ delivery_id }) => delivery_id === first),
      'the line',
    );
    expect(line).toMatchObject({ outcome: 'accepted', event_type: 'a', task_ids: answer.task_ids });
    // The same events in another batch.
    const again = await say(receiver, { items: [items[2], items[0]] });
    expect(again).toMatchObject({ status: 200, started: [], answer: { status: 'duplicate' } });
  });

  test.each([
    ['a list', [{ text: '@agent review' }], 202],
    ['one object', { text: '@agent review' }, 202],
    ['an empty list', [], 400],
    ['a list of texts', ['@agent review'], 400],
    ['101 events', Array.from({ length: 101 }, () => ({ text: '@agent review' })), 413],
  ])('a body that is the list itself: %s', async (_what, payload, status) => {
    const receiver = await open({ events: '.' });
    expect((await say(receiver, payload)).status).toBe(status);
  });

  test('a list is refused where no list is configured', async () => {
    expect((await say(await open({}), [{ text: '@agent review' }])).status).toBe(400);
  });

  test('a form is an object of texts; JSON that is labelled as a form is still read', async () => {
    const receiver = await open({});
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    const form = new URLSearchParams({ text: '@agent review', other: 'ü' }).toString();
    const signed = (body: string): Sent => ({
      body,
      headers: { ...headers, 'x-sig': hmac(body).toString('hex') },
    });
    expect((await send(receiver, signed(form))).status).toBe(202);
    expect((await send(receiver, signed(BODY))).status).toBe(202);
    expect(receiver.tasks.map(({ message }) => message)).toEqual(['@agent review', '@agent review']);
  });

  test('a dot in a name is written with a backslash', async () => {
    const receiver = await open({ message: ['absent', 'fields.System\\.History'] });
    expect((await say(receiver, { fields: { 'System.History': '@agent plan' } })).started).toEqual(['plan']);
  });

  test('a command text needs no trigger, and may have one', async () => {
    const receiver = await open({ isCommandText: true });
    expect((await say(receiver, { text: 'review the login' })).started).toEqual(['review']);
    expect((await say(receiver, { text: '@agent fix' })).started).toEqual(['fix']);
    expect((await say(receiver, { text: 'hello' })).started).toEqual([]);
  });
});

describe('handshakes', () => {
  test('a signed challenge is answered as configured, and starts nothing', async () => {
    const receiver = await open({
      handshake: {
        when: { event: ['endpoint.url_validation'] },
        answer: { plainToken: '{payload.plainToken}', encryptedToken: '{hmac:payload.plainToken}' },
      },
    });
    const payload = {
      event: 'endpoint.url_validation',
      payload: { plainToken: 'qgg8vlvZRS6UYooatFL8Aw' },
      text: '@agent fix',
    };
    expect(await say(receiver, payload)).toEqual({
      status: 200,
      started: [],
      answer: {
        plainToken: 'qgg8vlvZRS6UYooatFL8Aw',
        encryptedToken: hmac('qgg8vlvZRS6UYooatFL8Aw').toString('hex'),
      },
    });
    expect((await say(receiver, { ...payload, payload: {} })).status).toBe(400);
    expect((await say(receiver, { ...payload, payload: { plainToken: 'x'.repeat(5_000) } })).status).toBe(
      400,
    );
    // Without a signature it would sign texts for everyone.
    expect((await say(receiver, payload, { headers: { 'x-sig': '0'.repeat(64) } })).status).toBe(401);
  });

  test('Event Grid: the validation event, OPTIONS of CloudEvents, and a delivery', async () => {
    const receiver = await open({ preset: 'event-grid', header: undefined, message: undefined });
    const query = `?code=${encodeURIComponent(SECRET)}`;
    const validation = eventGridEvent(
      {
        validationCode: '512d38b6-c7b8-40c8-89fe-f46f9e9622b6',
        validationUrl: 'https://rp.eventgrid.azure.net',
      },
      { eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent' },
    );
    expect(await say(receiver, [validation], { query })).toMatchObject({
      status: 200,
      answer: { validationResponse: '512d38b6-c7b8-40c8-89fe-f46f9e9622b6' },
    });
    expect((await say(receiver, [validation], { query: '?code=x' })).status).toBe(401);
    const options = await send(receiver, {
      method: 'OPTIONS',
      headers: { 'WebHook-Request-Origin': 'eventgrid.azure.net' },
    });
    expect(options.status).toBe(200);
    expect(options.headers.get('webhook-allowed-origin')).toBe('eventgrid.azure.net');
    expect(options.headers.get('webhook-allowed-rate')).toBe('*');
    const bad = await send(receiver, { method: 'OPTIONS', headers: { 'WebHook-Request-Origin': 'a b' } });
    expect(bad.status).toBe(400);
  });

  test('Discord: PING is answered with PONG, a command with a message, a bad signature with 401', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const secret = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
    const receiver = await open({ preset: 'discord', header: undefined, message: undefined, secret });
    const post = async (payload: object, key = privateKey): Promise<Response> => {
      const body = JSON.stringify(payload);
      const signature = sign(null, Buffer.from(`${NOW}${body}`), key).toString('hex');
      return send(receiver, {
        body,
        headers: { 'x-signature-timestamp': `${NOW}`, 'x-signature-ed25519': signature },
      });
    };
    const pong = await post({ id: '1', type: 1, application_id: '2', token: 't', version: 1 });
    expect([pong.status, await pong.json()]).toEqual([200, { type: 1 }]);
    expect((await post({ type: 1 }, generateKeyPairSync('ed25519').privateKey)).status).toBe(401);
    const command = await post({
      id: '3',
      type: 2,
      data: { name: 'agent', options: [{ name: 'text', value: 'review it' }] },
    });
    expect(await command.json()).toEqual({ type: 4, data: { content: 'Started: review', flags: 64 } });
  });

  test('Trello: HEAD is answered with 200; other senders allow POST alone', async () => {
    const trello = await open({
      preset: 'trello',
      header: undefined,
      message: undefined,
      url: 'https://acme.test/trello',
    });
    expect((await send(trello, { method: 'HEAD' })).status).toBe(200);
    expect((await send(trello, { method: 'GET' })).headers.get('allow')).toBe('POST, HEAD');
    const other = await open({});
    expect((await send(other, { method: 'HEAD' })).status).toBe(405);
    expect((await send(other, { method: 'OPTIONS' })).status).toBe(405);
  });
});

test.each<[what: string, options: Partial<CustomOptions>, problem: RegExp]>([
  ['an unknown preset', { preset: 'acme' as 'gitlab' }, /tracker\.preset: use one of azure-devops, /],
  ['no place of the signature', { header: undefined }, /tracker\.header must name the header/],
  ['no message', { message: undefined }, /tracker\.message must be/],
  ['an unknown part', { signed: '{body}{nonce}' }, /tracker\.signed: use \{body\}/],
  ['an open brace', { signed: '{body' }, /tracker\.signed/],
  [
    'no body among the parts',
    { signed: '{timestamp}', timestampHeader: 'x' },
    /tracker\.signed must hold \{body\}/,
  ],
  [
    'a part {timestamp} without its place',
    { signed: '{timestamp}.{body}' },
    /tracker\.timestampHeader must say/,
  ],
  ['a time that is not signed', { timestampHeader: 'x-time' }, /tracker\.signed must hold \{timestamp\}/],
  [
    'a time beside a token',
    { algorithm: 'token', timestampHeader: 'x' },
    /tracker\.timestamp: a token does not/,
  ],
  ['a part {url} without an address', { signed: '{body}{url}' }, /tracker\.url must be/],
  ['a tolerance of zero', { toleranceSeconds: 0 }, /tracker\.toleranceSeconds must be/],
  [
    'a key without a byte',
    { secretEncoding: 'base64', secret: 'A' },
    /tracker\.secret must be written in base64/,
  ],
  [
    'a key that is not base64',
    { secretEncoding: 'base64', secret: 'not base64!' },
    /tracker\.secret must be written in base64/,
  ],
  [
    'a key that is not hex',
    { secretEncoding: 'hex', secret: 'xyz' },
    /tracker\.secret must be written in hex/,
  ],
  [
    'a key that is no Ed25519 key',
    { algorithm: 'ed25519', secret: 'abc' },
    /tracker\.secret must be an Ed25519 public key/,
  ],
  ['a filter on a field without a path', { ignore: { author: ['x'] } }, /tracker\.author must be the path/],
  ['an HMAC in the address', { query: 'sig' }, /tracker\.query must stand with/],
])('%s is a TypeError that names the option and no secret', async (_what, options, problem) => {
  const error = await open(options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TypeError);
  expect(String(error)).toMatch(problem);
  for (const secret of [options.secret ?? SECRET].flat())
    if (secret.length > 3) expect(String(error)).not.toContain(secret);
});
