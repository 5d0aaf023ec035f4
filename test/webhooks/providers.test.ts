import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Trail } from '../../src/trail/trail.ts';
import { openReceiver, openTrail, type Receiver, readDeliveries, readLines } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { ALL_OPTIONS, type Headers, post, SECRETS, say, VENDORS, type Vendor } from '../support/vendors.ts';

let logDir: string;
let trail: Trail;
let receiver: Receiver;
/** In every body that must not be stored. */
const CANARY = 'canary-of-the-tests';

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-providers-'));
  trail = await openTrail(logDir);
  receiver = await openReceiver(ALL_OPTIONS);
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

interface Refused {
  readonly body: string | Buffer;
  readonly headers: Headers;
}

/** A change of a good request, and the status and reason that it causes. */
type Case = readonly [what: string, make: (vendor: Vendor) => Refused, status: number, reason: RegExp];

function good(vendor: Vendor): Refused {
  const body = JSON.stringify(vendor.said(`@agent review ${CANARY}`));
  return { body, headers: vendor.sign(body) };
}

function withSignature(vendor: Vendor, change: (signature: string) => string | undefined): Refused {
  const { body, headers } = good(vendor);
  const changed = change(headers[vendor.header] ?? '');
  const { [vendor.header]: _, ...rest } = headers;
  return { body, headers: changed === undefined ? rest : { ...rest, [vendor.header]: changed } };
}

function signed(vendor: Vendor, body: string | Buffer): Refused {
  return { body, headers: vendor.sign(body) };
}

const SIGNATURE = /^(?:missing|malformed|wrong)_signature$/;

const CASES: readonly Case[] = [
  ['no signature', (v) => withSignature(v, () => undefined), 401, /^missing_signature$/],
  ['an empty signature', (v) => withSignature(v, () => ''), 401, /^missing_signature$/],
  ['a signature of another form', (v) => withSignature(v, () => 'xyz'), 401, /^malformed_signature$/],
  ['a signature cut short', (v) => withSignature(v, (s) => s.slice(0, -4)), 401, /^malformed_signature$/],
  ['a signature of 5,000 digits', (v) => withSignature(v, (s) => s.padEnd(5_000, '0')), 401, SIGNATURE],
  [
    'a signature without its prefix',
    (v) => withSignature(v, (s) => s.slice(3)),
    401,
    /^malformed_signature$/,
  ],
  ['a repeated signature', (v) => withSignature(v, (s) => `${s}, ${s}`), 401, /^malformed_signature$/],
  [
    'an unknown secret',
    (v) => ({ ...good(v), headers: v.sign(good(v).body, 'another secret') }),
    401,
    SIGNATURE,
  ],
  ['an empty secret', (v) => ({ ...good(v), headers: v.sign(good(v).body, '\0') }), 401, SIGNATURE],
  [
    'the signature of another body',
    (v) => ({ ...good(v), headers: v.sign(JSON.stringify(v.said('@agent fix'))) }),
    401,
    /^wrong_signature$/,
  ],
  [
    'one byte after the signed ones',
    (v) => {
      const { body, headers } = good(v);
      return { body: `${body}\n`, headers };
    },
    401,
    /^wrong_signature$/,
  ],
  [
    'another vendor’s signature',
    (v) => {
      const other = VENDORS.find(({ header }) => header !== v.header);
      return { body: good(v).body, headers: other?.sign(good(v).body) ?? {} };
    },
    401,
    /^missing_signature$/,
  ],
  ['no body, unsigned', () => ({ body: '', headers: {} }), 401, /^missing_signature$/],
  ['an empty body, signed', (v) => signed(v, ''), 400, /^malformed_json$/],
  ['invalid JSON', (v) => signed(v, '{"action": '), 400, /^malformed_json$/],
  ['a list', (v) => signed(v, '[1, 2]'), 400, /^malformed_json$/],
  ['null', (v) => signed(v, 'null'), 400, /^malformed_json$/],
  ['a number', (v) => signed(v, '42'), 400, /^malformed_json$/],
  ['a string', (v) => signed(v, '"@agent review"'), 400, /^malformed_json$/],
  [
    'bytes that are not UTF-8',
    (v) => signed(v, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    400,
    /^malformed_json$/,
  ],
  [
    '100,000 levels',
    (v) => signed(v, `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
    400,
    /^nested_too_deep$/,
  ],
  ['a body that is a byte too large', (v) => signed(v, 'x'.repeat(v.bodyBytesMax + 1)), 413, /^too_large$/],
  [
    'a compressed body',
    (v) => ({ ...good(v), headers: { ...good(v).headers, 'content-encoding': 'gzip' } }),
    415,
    /^encoded_body$/,
  ],
];

describe.each(VENDORS)('$name', (vendor) => {
  test.each(CASES)(
    '%s is refused, and recorded in one line without the body',
    async (_what, make, status, reason) => {
      const before = await countLines(vendor);
      const started = receiver.tasks.length;
      const response = await post(receiver.url, vendor.name, make(vendor));
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      const lines = await linesBeyond(vendor, before);
      expect(lines).toMatchObject([
        {
          outcome: 'rejected',
          reason: expect.stringMatching(reason),
          task_ids: [],
          stages: [
            { stage: 'received', timestamp: expect.any(String) },
            { stage: 'validation', status: 'failed', reason: expect.stringMatching(reason) },
          ],
        },
      ]);
      expect(receiver.tasks.length).toBe(started);
    },
  );

  test.each([
    ['prototype keys', '{"__proto__": {"action": "created"}, "constructor": {"prototype": {"polluted": 1}}}'],
    ['an empty object', '{}'],
    [
      'fields of wrong types',
      '{"event": 1, "webhookEvent": [], "comment": "x", "type": {}, "issue": null, "note": 3}',
    ],
    ['duplicate keys', '{"action": "created", "action": ["created"]}'],
  ])('a signed body with %s matches nothing', async (_what, body) => {
    const response = await post(receiver.url, vendor.name, signed(vendor, body));
    expect(response.status).toBe(200);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test.each(Object.keys(SECRETS))('the %s secret is accepted during a rotation', async (which) => {
    const body = JSON.stringify(vendor.said('@agent review'));
    const headers = vendor.sign(body, Reflect.get(SECRETS, which));
    expect((await post(receiver.url, vendor.name, { headers, body })).status).toBe(202);
  });

  test('an unverified id is cut, and no other header is stored', async () => {
    const before = await countLines(vendor);
    const long = `${'i'.repeat(300)}`;
    const headers = {
      'x-extra': CANARY,
      'user-agent': CANARY,
      ...(vendor.idHeader && { [vendor.idHeader]: long }),
    };
    await post(receiver.url, vendor.name, { headers, body: CANARY });
    const [line] = await linesBeyond(vendor, before);
    // A hash at its end keeps ids with the same beginning apart.
    if (vendor.idHeader === undefined) expect(line?.delivery_id).toBeNull();
    else expect(line?.delivery_id).toMatch(/^i{95}-[0-9a-f]{32}$/);
  });

  test('a task has the text, the command and its source', async () => {
    const id = randomUUID();
    const response = await say(receiver.url, vendor, 'Please @agent review “this” 🙂', id);
    expect(response.status).toBe(202);
    const task = receiver.tasks.at(-1);
    expect(await response.json()).toEqual({ status: 'accepted', task_ids: [task?.id] });
    expect(task).toMatchObject({
      provider: vendor.name,
      command: 'review',
      message: 'Please @agent review “this” 🙂',
      deliveryId: id,
    });
    const input = await until(() => trail.reader.readDocument(task?.id ?? '', 'input'), 'the input');
    expect(input).toMatchObject({
      message: 'Please @agent review “this” 🙂',
      source_metadata: {
        provider: vendor.name,
        webhook_id: id,
        event_type: expect.any(String),
        command: 'review',
      },
    });
    const stages = await until(async () => {
      const lines = await readLines(join(logDir, task?.id ?? '', '02-webhook-flow.jsonl'));
      return lines.length >= 6 ? lines : undefined;
    }, 'six stages');
    expect(stages).toMatchObject([
      { stage: 'received', webhook_id: id, event_type: expect.any(String) },
      { stage: 'validation', status: 'passed' },
      { stage: 'command_matching', command: 'review', matched: true, matched_count: 1, commands: ['review'] },
      { stage: 'immediate_response', action: expect.any(String), success: expect.any(Boolean) },
      { stage: 'task_created', task_id: task?.id, command: 'review' },
      { stage: 'queue_push', task_id: task?.id, status: 'queued' },
    ]);
  });

  test('a repeated delivery, one by one or fifty at once, starts nothing more', async () => {
    const id = randomUUID();
    const body = JSON.stringify(vendor.said('@agent review', id));
    const headers = { ...vendor.sign(body), ...(vendor.idHeader && { [vendor.idHeader]: id }) };
    const before = receiver.tasks.length;
    const responses = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        post(receiver.url, vendor.name, {
          headers: { ...headers, 'x-slack-retry-num': String(n), 'x-slack-retry-reason': 'http_timeout' },
          body,
        }),
      ),
    );
    responses.push(await post(receiver.url, vendor.name, { headers, body }));
    expect(responses.map(({ status }) => status).sort()).toEqual([...Array(50).fill(200), 202]);
    expect(receiver.tasks.length).toBe(before + 1);
    const ids = [receiver.tasks.at(-1)?.id];
    for (const response of responses) expect(await response.json()).toMatchObject({ task_ids: ids });
    const lines = await until(async () => {
      const found = (await readDeliveries(logDir)).filter(({ delivery_id }) => delivery_id === id);
      return found.length === 51 ? found : undefined;
    }, '51 lines');
    expect(lines.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(50);
  });

  test('without a secret, or with an empty one, every delivery is answered with 503 that names the setting', async () => {
    for (const none of [undefined, '', []]) {
      const custom = { ci: { ...ALL_OPTIONS.custom?.ci, header: 'x', message: 'm', secret: none } };
      const open = await openReceiver({
        github: { secret: none },
        jira: { secret: none },
        slack: { secret: none },
        custom,
      });
      const response = await say(open.url, vendor, '@agent review');
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({
        code: 'ERR_NOT_CONFIGURED',
        detail: expect.stringMatching(
          /GITHUB_WEBHOOK_SECRET|JIRA_WEBHOOK_SECRET|SLACK_SIGNING_SECRET|webhooks\.ci\.secret/,
        ),
      });
      expect(open.tasks).toEqual([]);
      await open.close();
    }
  });

  test('a body that never arrives is answered with 408 and recorded, and its connection is closed', async () => {
    const before = await countLines(vendor);
    const hasty = await openReceiver(ALL_OPTIONS, { timeoutMs: 100 });
    const { hostname, port } = new URL(hasty.url);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(Number(port), hostname, () => {
        socket.write(`POST /webhooks/${vendor.name} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{`);
      });
      socket.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      socket.on('close', () => resolve(text)).on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*\r\nConnection: close\r\n/);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toEqual({
      type: 'urn:tasktrail:problem:request-timeout',
      title: 'The body arrived too slowly',
      status: 408,
      detail: 'the body was not complete after 0.1 s',
      code: 'ERR_INPUT_INVALID',
    });
    await hasty.close();
    expect(await linesBeyond(vendor, before)).toMatchObject([{ outcome: 'rejected', reason: 'slow_body' }]);
  });

  test('a client that disconnects during its body is recorded', async () => {
    const before = await countLines(vendor);
    const { hostname, port } = new URL(receiver.url);
    const req = request({
      hostname,
      port,
      path: `/webhooks/${vendor.name}`,
      method: 'POST',
      headers: { 'content-length': 1_000 },
    });
    req.on('error', () => {});
    req.write('{', () => req.destroy());
    expect(await linesBeyond(vendor, before)).toMatchObject([
      { outcome: 'rejected', reason: 'unreadable_body' },
    ]);
  });
});

test('a body beyond the total limit is answered with 503 and Retry-After', async () => {
  const small = await openReceiver(ALL_OPTIONS, { bytesAtOnceMax: 1_000 });
  const vendor = VENDORS[0] as Vendor;
  const body = JSON.stringify(vendor.said(`@agent review ${'x'.repeat(2_000)}`));
  const response = await post(small.url, vendor.name, signed(vendor, body));
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  // The room is free again.
  expect((await say(small.url, vendor, '@agent review')).status).toBe(202);
  await small.close();
});

test('no file holds the body or another header of an unauthenticated request', async () => {
  trail.flush();
  const names = await readdir(join(logDir, '_webhooks'));
  for (const name of names)
    expect(await readFile(join(logDir, '_webhooks', name), 'utf8')).not.toContain(CANARY);
  for (const name of await readdir(join(logDir, '_journal'))) {
    expect(await readFile(join(logDir, '_journal', name), 'utf8').catch(() => '')).not.toContain(CANARY);
  }
});

async function linesOf(vendor: Vendor): Promise<Record<string, unknown>[]> {
  return (await readDeliveries(logDir)).filter(({ provider }) => provider === vendor.name);
}

async function countLines(vendor: Vendor): Promise<number> {
  // Earlier lines may not be stored yet. The marker comes after them.
  const marker = randomUUID();
  await say(receiver.url, vendor, 'good morning', marker);
  return until(async () => {
    const lines = await linesOf(vendor);
    return lines.some(({ delivery_id }) => delivery_id === marker) ? lines.length : undefined;
  }, 'the marker');
}

async function linesBeyond(vendor: Vendor, count: number): Promise<Record<string, unknown>[]> {
  return until(
    async () => {
      const lines = await linesOf(vendor);
      return lines.length > count ? lines.slice(count) : undefined;
    },
    `line ${count + 1} of ${vendor.name}`,
  );
}
